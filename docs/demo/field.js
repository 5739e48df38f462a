"use strict";

/* The second panel: the field of one neuron over the plane, and its w to be dragged. */

(() => {
  const REACH = 3; // the plane goes from -REACH to REACH
  const SIDE = 256; // points of a field
  const SHOWN = 640; // pixels of its picture
  const LEVELS = [1, 4, 16, 64]; // of the lines
  const START = { w: [1.2, 0.8], epsilon: -0.5, b: 0 };
  const get = (id) => document.getElementById(id);
  const handle = get("w"), plane = get("yat-plane");

  const state = { w: [...START.w], here: null };
  const epsilon = () => 10 ** Number(get("epsilon").value);
  const bias = () => Number(get("b").value);

  /** The two fields as functions of a point. */
  function neurons() {
    const [w, options] = [state.w, { bias: bias(), epsilon: epsilon() }];
    return {
      yat: (x) => Yat.response(x, w, options),
      linear: (x) => x[0] * w[0] + x[1] * w[1] + options.bias,
    };
  }

  /** All numbers between -1 and 1, in the order they had; 4 is at one half. */
  const squashed = (value) => value / (Math.abs(value) + LEVELS[1]);

  /** How many levels a value is beyond, with its sign. */
  function band(value) {
    let count = 0;
    while (count < LEVELS.length && Math.abs(value) > LEVELS[count]) count++;
    return value < 0 ? -count : count;
  }

  const along = (pixel) => ((pixel + 0.5) / SIDE) * 2 * REACH - REACH;

  // ---------------------------------------------------------------------------- pictures

  const STEPS = 512; // colors from 0 to 1

  /** Colors for all numbers from -1 to 1, and those of the lines between bands. */
  function palette() {
    const color = Colors.signed();
    const shades = Array.from({ length: 2 * STEPS + 1 }, (_, i) => color(i / STEPS - 1));
    const lines = shades.map((shade) => {
      const line = shade[0] + shade[1] + shade[2] > 320 ? 0 : 255;
      return shade.map((c) => 0.7 * c + 0.3 * line);
    });
    return { shades, lines };
  }

  let colors = palette();
  const points = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE }).getContext("2d");

  function drawField(canvas, field) {
    const image = points.createImageData(SIDE, SIDE);
    const data = image.data;
    const bands = new Int8Array(SIDE * SIDE);
    const x = [0, 0];
    for (let at = 0; at < SIDE * SIDE; at++) {
      const j = at % SIDE;
      x[0] = along(j);
      x[1] = -along((at - j) / SIDE);
      const value = field(x);
      bands[at] = band(value);
      const left = j ? bands[at - 1] : bands[at];
      const above = at >= SIDE ? bands[at - SIDE] : bands[at];
      const edge = bands[at] !== left || bands[at] !== above;
      const shade = (edge ? colors.lines : colors.shades)[Math.round((squashed(value) + 1) * STEPS)];
      for (let c = 0; c < 3; c++) data[4 * at + c] = shade[c];
      data[4 * at + 3] = 255;
    }
    points.putImageData(image, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.clearRect(0, 0, SHOWN, SHOWN);
    context.drawImage(points.canvas, 0, 0, SHOWN, SHOWN);
    drawLines(context);
  }

  /** The axes, and the line on which x.w + b is 0. */
  function drawLines(context) {
    const at = (x, y) => [x + REACH, REACH - y].map((v) => (v / (2 * REACH)) * SHOWN);
    const line = (p, q, dash, width) => {
      context.beginPath();
      context.setLineDash(dash);
      context.lineWidth = width;
      context.moveTo(...at(...p));
      context.lineTo(...at(...q));
      context.stroke();
    };
    context.strokeStyle = context.fillStyle = Colors.get("--soft");
    context.globalAlpha = 0.6;
    line([-REACH, 0], [REACH, 0], [], 1.5);
    line([0, -REACH], [0, REACH], [], 1.5);
    context.globalAlpha = 1;
    context.font = "22px system-ui, sans-serif";
    [-2, 2].forEach((tick) => {
      context.fillText(tick < 0 ? "−2" : "2", at(tick, 0)[0] - 8, at(0, 0)[1] + 26);
      context.fillText(tick < 0 ? "−2" : "2", at(0, 0)[0] + 9, at(0, tick)[1] + 8);
    });
    const [u, v] = state.w, length = Math.hypot(u, v);
    if (length < 1e-9) return;
    const foot = [(-bias() * u) / length ** 2, (-bias() * v) / length ** 2];
    const far = (way) => [foot[0] - (way * v) / length * 99, foot[1] + (way * u) / length * 99];
    context.strokeStyle = Colors.get("--text");
    line(far(-1), far(1), [12, 10], 3);
  }

  function drawScale(element, values) {
    const color = Colors.signed();
    const low = values[0] < 0 ? -1 : 0;
    const stops = Array.from({ length: 21 }, (_, i) => {
      const share = low + ((1 - low) * i) / 20;
      return `rgb(${color(share).map(Math.round).join(" ")}) ${5 * i}%`;
    });
    element.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    element.replaceChildren(
      ...values.map((value) => {
        const mark = document.createElement("span");
        mark.textContent = String(value).replace("-", "−");
        mark.style.left = `${(100 * (squashed(value) - low)) / (1 - low)}%`;
        return mark;
      }),
    );
  }

  // ----------------------------------------------------------------------------- numbers

  const told = (value) =>
    (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(2)).replace("-", "−");
  const pair = ([x, y]) => `(${told(x)}, ${told(y)})`;

  function place(element) {
    const share = (v) => `calc(${((v + REACH) / (2 * REACH)) * 100}cqw - 50%)`;
    element.style.translate = `${share(state.w[0])} ${share(-state.w[1])}`;
    element.classList.toggle("left", state.w[0] > 2);
  }

  function update() {
    const { yat, linear } = neurons();
    drawField(get("yat"), yat);
    drawField(get("linear"), linear);
    tell(yat);
  }

  function tell(yat) {
    [handle, get("w-linear")].forEach(place);
    handle.setAttribute("aria-valuenow", state.w[0].toFixed(2));
    handle.setAttribute("aria-valuetext", `x ${told(state.w[0])}, y ${told(state.w[1])}`);
    get("epsilon-value").textContent = epsilon().toPrecision(2);
    get("epsilon").setAttribute("aria-valuetext", epsilon().toPrecision(2));
    get("b-value").textContent = told(bias());
    get("w-value").textContent = pair(state.w);
    get("peak").textContent = told(yat(state.w));
    get("here").textContent = state.here ? told(yat(state.here)) : "–";
  }

  function updateAll() {
    colors = palette();
    drawScale(get("yat-scale"), [0, ...LEVELS]);
    drawScale(get("linear-scale"), [-16, -4, -1, 0, 1, 4, 16]);
    update();
  }

  let waiting = false;

  /** Draws at most once a frame. */
  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      update();
    });
  }

  // ------------------------------------------------------------------- mouse, touch, keys

  const inside = (v) => Math.max(-REACH, Math.min(REACH, v));

  function moveTo([x, y]) {
    state.w = [inside(x), inside(y)];
    soon();
  }

  function point(event) {
    const box = get("yat").getBoundingClientRect();
    const share = (at, start, length) => ((at - start) / length) * 2 * REACH - REACH;
    return [share(event.clientX, box.left, box.width), -share(event.clientY, box.top, box.height)];
  }

  let dragged = false;
  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragged = true;
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => dragged && moveTo(point(event)));
  ["pointerup", "pointercancel"].forEach((kind) => handle.addEventListener(kind, () => (dragged = false)));
  plane.addEventListener("click", (event) => event.target !== handle && moveTo(point(event)));
  plane.addEventListener("pointermove", (event) => {
    state.here = point(event).map(inside);
    if (!dragged) tell(neurons().yat);
  });
  plane.addEventListener("pointerleave", () => {
    state.here = null;
    tell(neurons().yat);
  });

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  handle.addEventListener("keydown", (event) => {
    if (!(event.key in MOVES) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const step = event.shiftKey ? 0.5 : 0.1;
    const [x, y] = MOVES[event.key];
    moveTo([state.w[0] + step * x, state.w[1] + step * y]);
  });

  ["epsilon", "b"].forEach((id) => get(id).addEventListener("input", soon));
  get("reset").addEventListener("click", () => {
    get("epsilon").value = START.epsilon;
    get("b").value = START.b;
    moveTo(START.w);
  });

  [get("yat"), get("linear")].forEach((canvas) => (canvas.width = canvas.height = SHOWN));
  Theme.onChange(updateAll);
  updateAll();
})();
