
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const slider = document.getElementById("step");
  const films = [...document.querySelectorAll(".film")];
  const plots = [...document.querySelectorAll("svg.plot")].filter((svg) => svg.id in data.plots);
  const count = (number) => number.toLocaleString("en-US");
  let chosen = data.steps.length ? data.steps[data.steps.length - 1] : data.last;

  function shown(value) {
    const size = Math.abs(value);
    if (size !== 0 && size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, "e");
    return value.toLocaleString("en-US", size >= 1e5 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 });
  }

  function nearest(sorted, step) {
    let low = 0, high = sorted.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < step) low = middle + 1; else high = middle;
    }
    return low > 0 && step - sorted[low - 1] <= sorted[low] - step ? low - 1 : low;
  }

  // A line in every plot at this step, and each legend's values there.
  function mark(step) {
    const at = data.left + (data.right - data.left) * step / Math.max(data.last, 1);
    for (const svg of plots) {
      const now = svg.querySelector(".now");
      now.setAttribute("x1", at);
      now.setAttribute("x2", at);
      const values = svg.closest("figure").querySelectorAll(".legend .value");
      data.plots[svg.id].forEach(([steps, numbers], index) => {
        const apart = steps.length > 1 ? (steps[steps.length - 1] - steps[0]) / (steps.length - 1) : 0;
        const known = steps.length && step >= steps[0] - apart && step <= steps[steps.length - 1] + apart;
        values[index].textContent = known ? shown(numbers[nearest(steps, step)]) : "–";
      });
    }
  }

  // Of each run the newest picture at or before this step.
  function turn(step) {
    for (const film of films) {
      const pictures = [...film.querySelectorAll("img")];
      const here = pictures.filter((picture) => Number(picture.dataset.step) <= step).pop() || pictures[0];
      pictures.forEach((picture) => { picture.hidden = picture !== here; });
      film.querySelector(".at").textContent = count(Number(here.dataset.step));
    }
  }

  function choose() {
    chosen = data.steps[Number(slider.value)];
    document.getElementById("step-shown").textContent = count(chosen);
    slider.setAttribute("aria-valuetext", `step ${count(chosen)}`);
    turn(chosen);
    mark(chosen);
  }

  for (const svg of plots) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      const step = (x - data.left) / (data.right - data.left) * data.last;
      mark(Math.min(Math.max(step, 0), data.last));
    });
    svg.addEventListener("pointerleave", () => mark(chosen));
  }
  document.documentElement.classList.add("scripted");
  if (slider) {
    slider.addEventListener("input", choose);
    choose();  // a browser may keep the place of a slider over a reload
  } else {
    mark(chosen);
  }
})();
