// Charts by plotly, loaded when the first one is shown, in the colours of the page.

import { h, note } from "./dom.js";

/** Told apart with the common colour-vision deficiencies: Okabe & Ito's set and one of Tol's. */
export const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#882255"];
export const OTHER = "#8C9196";
export const UNNAMED = "#C9CDD2";
export const PUTATIVE = "#7B68B5";

let loading = null;

function library() {
  loading ??= new Promise((resolve, reject) => {
    document.head.append(h("script", {
      src: "/page/vendor/plotly.min.js", onload: () => resolve(globalThis.Plotly),
      onerror: () => { loading = null; reject(new Error("the chart library could not be loaded")); },
    }));
  });
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themed(layout) {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--strong-line"), automargin: true };
  const made = {
    font: { family: "system-ui, sans-serif", size: 13, color: colour("--ink") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 8, t: 8, b: 40 },
    hoverlabel: { align: "left" }, colorway: PALETTE, ...layout,
  };
  for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) made[name] = { ...axis, ...layout[name] };
  if (layout.geo) {
    made.geo = { bgcolor: "rgba(0,0,0,0)", showland: true, landcolor: colour("--line"), showocean: true,
      oceancolor: colour("--tint"), coastlinecolor: colour("--strong-line"), ...layout.geo };
  }
  return made;
}

/**
 * A figure with its caption. draw(colour, width) returns {traces, layout, height, label}; redraw when data change with .update().
 * The picture has a name for screen readers (a group: its tool buttons take the focus); a table beside it has the numbers.
 */
export function chart(caption, draw) {
  const plot = h("div", { class: "plot", role: "group" });
  const figure = h("figure", {}, plot, caption && h("figcaption", {}, caption));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(hover: none)");
  let drawn = false;
  async function update() {
    try {
      const plotly = await library();
      const { traces, layout, height = 420, label } = draw(colour, plot.clientWidth);
      plot.setAttribute("aria-label", label ?? caption);
      plot.style.height = `${height}px`;
      await plotly.react(plot, traces, themed({ height, ...layout }), {
        responsive: true, displaylogo: false, displayModeBar: touch.matches ? false : "hover", topojsonURL: "/page/vendor/topojson/",
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
        // The library's own offer to send a chart to its maker: nothing leaves this server.
        showSendToCloud: false, plotlyServerURL: "",
      });
      if (!drawn && figure.onclickdata) {
        for (const name of ["plotly_click", "plotly_sunburstclick"]) plot.on(name, (event) => figure.onclickdata(event));
      }
      drawn = true;
    } catch (error) {
      plot.replaceChildren(note("warn", h("p", {}, `The picture cannot be drawn: ${error.message}`)));
    }
  }
  figure.update = update;
  dark.addEventListener("change", update);
  // Drawn once it stands in the page and has a width.
  new ResizeObserver((entries, observer) => {
    if (entries.some((entry) => entry.contentRect.width > 0)) {
      observer.disconnect();
      update();
    }
  }).observe(plot);
  return figure;
}
