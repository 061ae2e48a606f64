"use strict";
(() => {
  const TONES = 6;
  const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [4, 2], [1, 2]];
  const boxes = Array.from(document.querySelectorAll(".chart"));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faint = (name) => "color-mix(in srgb, " + colour(name) + " 16%, transparent)";
  const number = (value) => {
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1e7 || size < 1e-4) return value.toExponential(1);
    return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
  };
  const count = (value) => {
    const [limit, unit] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([l]) => Math.abs(value) >= l) || [1, ""];
    return Number((value / limit).toPrecision(4)) + unit;
  };
  const duration = (value) => {
    const whole = Math.round(value);
    for (const [big, small, first, second] of [[86400, 3600, "d", "h"], [3600, 60, "h", "min"], [60, 1, "min", "s"]]) {
      if (whole >= big) {
        const rest = Math.floor(whole % big / small);
        return Math.floor(whole / big) + " " + first + (rest ? " " + rest + " " + second : "");
      }
    }
    return value < 10 && value % 1 ? value.toFixed(1) + " s" : whole + " s";
  };

  const tables = (chart) => uPlot.join(chart.lines.map((line) => [line.x, line.y, line.low || line.y, line.high || line.y]));

  const columns = (chart) => {
    const data = tables(chart);
    if (chart.floor) data.push(data[0].map(() => chart.floor.value));
    return data;
  };

  const latest = (column) => column.findLast((value) => value != null);

  // At rest the legend has the latest values; a gap at the pointer is a dash.
  const reading = (column, write) => (u, value, i, at) => (at == null ? write(latest(column)) : value == null ? "–" : write(value));

  const series = (chart) => {
    const ends = [Math.max(...chart.lines.map((line) => latest(line.x)))];
    const out = [{ label: chart.x.label, value: reading(ends, chart.x.time ? duration : count) }];
    chart.lines.forEach((line, i) => {
      const tone = "--c" + i % TONES;
      const edge = { class: "edge", stroke: "transparent", width: 0, points: { show: false } };
      out.push({
        label: line.name, stroke: () => colour(tone), width: 2, dash: DASHES[i % TONES],
        points: { show: line.marks || line.x.length === 1, size: 7, fill: () => colour(tone) },
        value: reading(line.y, number), tone,
      }, { ...edge }, { ...edge });
    });
    if (chart.floor) {
      out.push({
        label: chart.floor.name, stroke: () => colour("--dim"), width: 1.5, dash: [5, 4], points: { show: false },
        value: reading([chart.floor.value], number), tone: "--dim",
      });
    }
    return out;
  };

  const bands = (chart) => chart.lines.flatMap((line, i) =>
    line.low ? [{ series: [3 * i + 3, 3 * i + 2], fill: () => faint("--c" + i % TONES) }] : []);

  const options = (chart, width) => {
    const [low, high] = chart.x.range;
    const rules = {
      stroke: () => colour("--dim"), font: "12px system-ui, sans-serif", ticks: { show: false },
      grid: { stroke: () => colour("--line"), width: 1 },
    };
    let view = [low, high];
    const rangeAcross = (u, from, to) => { view = from < to ? [from, to] : [low, high]; return view; };
    const whole = (u) => view[0] <= u.data[0][0] && view[1] >= u.data[0][u.data[0].length - 1];
    const rangeUp = (u, from, to) => {
      if (from == null || to == null || whole(u)) return chart.y.range;
      return chart.y.log ? uPlot.rangeLog(from, to, 10, false) : uPlot.rangeNum(from, to, 0.1, false);
    };
    const ticks = chart.x.time ? duration : count;
    const across = { ...rules, space: 72, size: 34, values: (u, splits) => splits.map((v) => ticks(v)) };
    if (chart.x.steps && high - low > 5) across.incrs = chart.x.steps;
    return {
      width, height: 250, padding: [10, 14, 0, 0],
      scales: { x: { time: false, range: rangeAcross }, y: { distr: chart.y.log ? 3 : 1, range: rangeUp } },
      axes: [across, {
        ...rules, size: 62, space: 34,
        values: (u, splits) => splits.map((v) => (v == null ? "" : number(v))),
      }],
      series: series(chart), bands: bands(chart),
      cursor: {
        y: false, drag: { x: true, y: false }, sync: { key: chart.x.label, setSeries: false },
        points: { fill: (u, i) => (u.series[i].tone ? "var(" + u.series[i].tone + ")" : "transparent"), size: 8, width: 0 },
      },
      legend: { markers: { width: 0, fill: (u, i) => "var(" + u.series[i].tone + ")" } },
      hooks: {
        setSeries: [(u, i, change) => {
          if (i == null || change.show == null || !u.series[i].tone || !u.series[i + 1] || u.series[i + 1].tone) return;
          [i + 1, i + 2].forEach((k) => u.setSeries(k, { show: change.show }));
        }],
      },
    };
  };

  const draw = (box) => {
    const chart = JSON.parse(box.dataset.chart);
    const plot = new uPlot(options(chart, box.clientWidth || 480), columns(chart), box);
    new ResizeObserver(() => {
      if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: 250 });
    }).observe(box);
    return plot;
  };

  const plots = boxes.map(draw);
  if (boxes.length) {
    const hint = document.createElement("p");
    hint.className = "dim hint";
    hint.textContent = "Drag over a chart to zoom in; a double click shows all of it again. "
      + "The line under a chart has the values at the pointer; a click on a name hides its line.";
    document.querySelector(".charts").before(hint);
  }
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => plots.forEach((plot) => plot.redraw(false)));
  }
})();
