// Draws each plot where it comes into view, in the page's own colours; in print and without scripts the still stands.
"use strict";

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ground: of("--ground"), raised: of("--raised"), ink: of("--ink"), line: of("--line") };
}

function themed(layout) {
  const { ground, raised, ink, line } = colours();
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
  return {
    ...layout,
    autosize: true,
    height: layout.height || Math.round(Math.min(0.7 * innerHeight, 670)),
    paper_bgcolor: ground,
    plot_bgcolor: ground,
    font: { ...(layout.font || {}), color: ink },
    xaxis: { ...axis, ...(layout.xaxis || {}) },
    yaxis: { ...axis, ...(layout.yaxis || {}) },
    hoverlabel: { bgcolor: raised, bordercolor: line, font: { color: ink }, align: "left" },
  };
}

function draw(place) {
  const figure = (window.figures || {})[place.dataset.figure];
  if (!figure || !window.Plotly) return;
  const options = { responsive: true, displaylogo: false };
  // First the room, then the plot, which takes the size of its place.
  place.closest("figure").classList.add("drawn");
  window.Plotly.newPlot(place, figure.data, themed(figure.layout), options).then(() => {
    place.dataset.drawn = "yes";
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const places = document.querySelectorAll(".moving");
  const seen = new IntersectionObserver(
    (entries) =>
      entries
        .filter((entry) => entry.isIntersecting)
        .forEach((entry) => {
          seen.unobserve(entry.target);
          draw(entry.target);
        }),
    { rootMargin: "300px" },
  );
  places.forEach((place) => seen.observe(place));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document
      .querySelectorAll(".moving[data-drawn]")
      .forEach((place) => window.Plotly.relayout(place, themed(place.layout))),
  );
});
