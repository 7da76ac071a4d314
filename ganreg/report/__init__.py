"""A finished, running or damaged run told on one page, or several side by side; no torch, no network.

`reading` takes a run directory as it is, `facts` and `beside` say what it comes to, `plot` draws, `page` puts all on one
HTML file.
"""
