"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = () => innerWidth < 640;

  // Text and grid follow the page; a figure's own layout only says what it shows.
  function themed(layout, height, names) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const grid = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
    const result = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("--ink"), family: "system-ui, 'Segoe UI', Roboto, sans-serif", size: narrow() ? 11 : 13 },
      margin: { l: 56, r: 16, t: 16, b: 48 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--line"), activecolor: colour("--accent") },
      hoverlabel: { align: "left", bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
      ...layout,
      height: narrow() && layout.legend ? height + 18 * names : height,
    };
    for (const key of Object.keys(result)) {
      if (/^[xy]axis\d*$/.test(key)) result[key] = { ...grid, ...result[key] };
    }
    if (narrow() && result.legend) {
      result.legend = { ...result.legend, orientation: "h", x: 0, xanchor: "left", y: 1.01, yanchor: "bottom" };
    }
    return result;
  }

  function draw(figure) {
    const element = document.getElementById(figure.name);
    const choice = document.getElementById(`${figure.name}-view`);
    const traces = choice ? figure.views[choice.value] : figure.traces;
    // plotly writes into what it is given, and a view may be drawn again.
    const copy = JSON.parse(JSON.stringify([traces, figure.layout]));
    const layout = themed(copy[1], figure.height, traces.length);
    element.style.height = `${layout.height}px`;
    Plotly.react(element, copy[0], layout, {
      responsive: true,
      displayModeBar: narrow() ? false : "hover",
      displaylogo: false,
      // The library's own offer to send a chart to its maker: nothing leaves the reader's machine.
      showSendToCloud: false,
      plotlyServerURL: "",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: figure.name },
    });
  }

  const drawn = new Set();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      const figure = figures.find((candidate) => candidate.name === entry.target.id);
      drawn.add(figure);
      draw(figure);
    }
  }, { rootMargin: "600px" });
  for (const figure of figures) {
    seen.observe(document.getElementById(figure.name));
    const choice = document.getElementById(`${figure.name}-view`);
    if (choice) choice.addEventListener("change", () => draw(figure));
  }
  dark.addEventListener("change", () => drawn.forEach(draw));
  addEventListener("beforeprint", () => figures.forEach(draw));

  for (const button of document.querySelectorAll("button[data-table]")) {
    button.addEventListener("click", () => {
      const open = document.getElementById(button.dataset.table).classList.toggle("open");
      button.textContent = open ? button.dataset.less : button.dataset.more;
    });
  }
})();
