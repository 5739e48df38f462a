"use strict";

/* The first panel: a digit is drawn, the network answers as it grows. */

(() => {
  const SIDE = 56; // cells of the paper, on which the ink is measured
  const RADIUS = 2.4; // of the pen, in cells
  const STEP = 2; // cells that an arrow key moves the pen
  const SHOWN = 8; // neurons

  const network = Yat.model(WEIGHTS);
  const get = (id) => document.getElementById(id);
  const paper = get("paper");
  const context = paper.getContext("2d");

  let strokes = []; // each a list of points [x, y], in cells
  let ink = new Float64Array(SIDE * SIDE);
  let hidden = [];
  const pen = { x: SIDE / 2, y: SIDE / 4, down: false, shown: false };
  let isExample = false;

  // ------------------------------------------------------------------------------- ink

  /** Adds the ink of a line from p to q: 1 inside of the pen, less within a cell of its rim. */
  function spread([px, py], [qx, qy]) {
    const length = (qx - px) ** 2 + (qy - py) ** 2;
    const low = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - RADIUS - 1));
    const high = (a, b) => Math.min(SIDE - 1, Math.ceil(Math.max(a, b) + RADIUS + 1));
    for (let y = low(py, qy); y <= high(py, qy); y++) {
      for (let x = low(px, qx); x <= high(px, qx); x++) {
        const along = length ? ((x - px) * (qx - px) + (y - py) * (qy - py)) / length : 0;
        const share = Math.max(0, Math.min(1, along));
        const distance = Math.hypot(x - px - share * (qx - px), y - py - share * (qy - py));
        const here = Math.max(0, Math.min(1, RADIUS + 0.5 - distance));
        ink[y * SIDE + x] = Math.max(ink[y * SIDE + x], here);
      }
    }
  }

  function begin(point) {
    if (isExample) clear();
    strokes.push([point]);
    spread(point, point);
    update();
  }

  function extend(point) {
    const stroke = strokes[strokes.length - 1];
    spread(stroke[stroke.length - 1], point);
    stroke.push(point);
    update();
  }

  function clear() {
    strokes = [];
    ink = new Float64Array(SIDE * SIDE);
    pen.down = false;
    isExample = false;
    update();
  }

  // --------------------------------------------------------------------------- pictures

  function drawPaper() {
    const scale = paper.width / SIDE;
    const at = ([x, y]) => [(x + 0.5) * scale, (y + 0.5) * scale];
    context.clearRect(0, 0, paper.width, paper.height);
    context.strokeStyle = Colors.get("--ink");
    context.lineWidth = 2 * RADIUS * scale;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      context.moveTo(...at(stroke[0]));
      stroke.concat([stroke[stroke.length - 1]]).forEach((point) => context.lineTo(...at(point)));
      context.stroke();
    }
    if (pen.shown) drawPen(at([pen.x, pen.y]), scale);
  }

  function drawPen(center, scale) {
    context.beginPath();
    context.arc(...center, (RADIUS + 0.8) * scale, 0, 2 * Math.PI);
    context.lineWidth = 4;
    context.strokeStyle = Colors.get("--focus");
    context.stroke();
    if (!pen.down) return;
    context.beginPath();
    context.arc(...center, 5, 0, 2 * Math.PI);
    context.fillStyle = Colors.get("--focus");
    context.fill();
  }

  function made(tag, parent, className) {
    const element = document.createElement(tag);
    element.className = className ?? "";
    parent.append(element);
    return element;
  }

  const odds = Array.from({ length: network.outputs }, (_, digit) => {
    const item = made("li", get("odds"));
    made("span", item).textContent = digit;
    const bar = made("span", made("span", item, "track"), "bar");
    return { item, bar, share: made("span", item, "share") };
  });
  const near = Array.from({ length: SHOWN }, () => {
    const item = made("li", get("near"));
    const canvas = made("canvas", item);
    canvas.setAttribute("role", "img");
    return { canvas, response: made("span", item), votes: made("span", item, "votes") };
  });

  const percent = (share) => (share > 0.9995 ? "100%" : `${(100 * share).toFixed(1)}%`);
  const signed = (value) => (value <= -0.05 ? "−" : "+") + Math.abs(value).toFixed(1);
  const largest = (values) => values.indexOf(Math.max(...values));

  function showOdds(shares) {
    const most = largest(shares);
    odds.forEach(({ item, bar, share }, digit) => {
      bar.style.transform = `scaleX(${shares[digit]})`;
      share.textContent = strokes.length ? percent(shares[digit]) : "–";
      item.className = strokes.length && digit === most ? "most" : "";
    });
  }

  /** The neurons that respond most, and what each adds to the logit of a digit over the mean. */
  function showNear(digit) {
    const order = hidden.map((_, i) => i).sort((i, j) => hidden[j] - hidden[i]);
    near.forEach(({ canvas, response, votes }, place) => {
      const i = order[place];
      const pixels = network.prototypes[i].map((w) => (w * network.deviation + network.mean) / 16);
      Colors.square(canvas, Array.from(pixels));
      const mean = network.votes[i].reduce((sum, vote) => sum + vote, 0) / network.outputs;
      const vote = hidden[i] * (network.votes[i][digit] - mean);
      canvas.setAttribute("aria-label", `Prototype of neuron ${i}`);
      response.textContent = strokes.length ? `y = ${hidden[i].toFixed(2)}` : "";
      votes.textContent = strokes.length ? `${signed(vote)} for ${digit}` : "";
    });
  }

  // ---------------------------------------------------------------------------- answers

  let later = 0;

  /** Tells a screen reader, once the drawing rests. */
  function say(text) {
    clearTimeout(later);
    later = setTimeout(() => (get("said").textContent = text), 500);
  }

  function update() {
    const pixels = Yat.normalized(ink, SIDE);
    hidden = Yat.responses(network, Yat.inputs(network, pixels));
    const empty = strokes.length === 0;
    const shares = Yat.softmax([...Yat.logits(network, hidden)]);
    const digit = largest(shares);
    const sure = shares[digit] > 0.5 ? "It is a" : "It may be a";
    get("answer").textContent = empty ? "Nothing drawn yet." : `${sure} ${digit}.`;
    say(empty ? "Nothing drawn." : `${sure} ${digit}, ${percent(shares[digit])}.`);
    get("hint").textContent = isExample ? "An example. Draw to replace it." : empty ? "Draw here" : "";
    showOdds(empty ? shares.map(() => 0) : shares);
    showNear(digit);
    Colors.square(get("seen"), Array.from(pixels, (pixel) => pixel / 16));
    drawPaper();
  }

  // ------------------------------------------------------------------ mouse, touch, keys

  function cell(event) {
    const box = paper.getBoundingClientRect();
    const along = (at, start, length) => ((at - start) / length) * SIDE - 0.5;
    return [along(event.clientX, box.left, box.width), along(event.clientY, box.top, box.height)];
  }

  let pointer = null;
  paper.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    paper.setPointerCapture(pointer);
    pen.shown = pen.down = false;
    sayPen();
    begin(cell(event));
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach((each) => extend(cell(each)));
  });
  ["pointerup", "pointercancel"].forEach((kind) =>
    paper.addEventListener(kind, (event) => {
      if (event.pointerId === pointer) pointer = null;
    }),
  );

  function sayPen() {
    get("pen").textContent = pen.shown ? (pen.down ? "Pen down" : "Pen up") : "";
  }

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function press(key) {
    if (key in MOVES) {
      const [x, y] = MOVES[key];
      const inside = (v) => Math.max(RADIUS, Math.min(SIDE - 1 - RADIUS, v));
      pen.x = inside(pen.x + STEP * x);
      pen.y = inside(pen.y + STEP * y);
      if (pen.down) extend([pen.x, pen.y]);
    } else if (key === " " || key === "Enter") {
      const down = !pen.down;
      if (down) begin([pen.x, pen.y]);
      pen.down = down;
    } else if (key === "Delete" || key === "Backspace") {
      clear();
    } else {
      return false;
    }
    return true;
  }

  paper.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(event.key)) return;
    event.preventDefault();
    pen.shown = true;
    sayPen();
    drawPaper();
  });
  paper.addEventListener("focus", () => {
    pen.shown = paper.matches(":focus-visible") && pointer === null;
    sayPen();
    drawPaper();
  });
  paper.addEventListener("blur", () => {
    pen.shown = pen.down = false;
    sayPen();
    drawPaper();
  });

  // --------------------------------------------------------------------------- examples

  /* A digit each, of strokes: through points of a grid of 10 x 10, as a curve where ~ leads. */
  const EXAMPLES = [
    "~51 32 24 26 38 59 68 76 74 62 51",
    "42 51 59",
    "~33 41 61 72 73 65 29|29 79",
    "~32 41 61 72 64 45|~45 65 77 68 59 39 28",
    "51 26 77|63 69",
    "72 32 34|~34 54 74 76 78 59 39 28",
    "~62 43 35 37 49 69 77 75 55 36",
    "22 72 49",
    "~61 41 32 43 65 77 69 49 37 45 63 72 61",
    "~73 61 42 34 45 65 73|73 69",
  ];

  /** A Catmull-Rom curve through points, as points on the way. */
  function curve(points) {
    const at = (i) => points[Math.max(0, Math.min(points.length - 1, i))];
    const between = (i, t) =>
      [0, 1].map((k) => {
        const [a, b, c, d] = [-1, 0, 1, 2].map((n) => at(i + n)[k]);
        const bent = (3 * b - a - 3 * c + d) * t + 2 * a - 5 * b + 4 * c - d;
        return b + (t * (bent * t + c - a)) / 2;
      });
    const inner = points.slice(1).flatMap((_, i) => [0, 0.2, 0.4, 0.6, 0.8].map((t) => between(i, t)));
    return [...inner, points[points.length - 1]];
  }

  let example = 2;

  function showExample() {
    clear();
    const at = (v) => (Number(v) / 10) * (SIDE - 1);
    for (const line of EXAMPLES[example].split("|")) {
      const given = line.replace("~", "").split(" ").map(([x, y]) => [at(x), at(y)]);
      const points = line.startsWith("~") ? curve(given) : given;
      strokes.push(points);
      points.forEach((point, i) => spread(points[Math.max(0, i - 1)], point));
    }
    example = (example + 1) % EXAMPLES.length;
    isExample = true;
    update();
  }

  get("clear").addEventListener("click", clear);
  get("example").addEventListener("click", showExample);
  Theme.onChange(update);
  get("name").textContent = WEIGHTS.name;
  get("count").textContent = network.prototypes.length;
  const told = Object.entries(WEIGHTS.figures).map(([what, v]) => `${what} ${(100 * v).toFixed(1)}%`);
  get("figures").textContent = `On digits that it was not trained with: ${told.join("; ")}.`;
  showExample();
})();
