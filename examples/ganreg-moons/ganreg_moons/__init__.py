"""Two moons, networks that see them through sines, and an optimizer that looks at signs alone."""
