"use strict";

/* Numbers as colors: ramps of the style sheet, so that they follow the theme. */

const Colors = (() => {
  const style = () => getComputedStyle(document.documentElement);
  const get = (name) => style().getPropertyValue(name).trim();

  function ramp(name) {
    const stops = get(name)
      .split(/\s+/)
      .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    return (share) => {
      const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
      const i = Math.min(Math.floor(at), stops.length - 2);
      return stops[i].map((c, k) => c + (at - i) * (stops[i + 1][k] - c));
    };
  }

  /** From a number between -1 and 1 to red, green and blue; 0 is the color of the paper. */
  function signed() {
    const above = ramp("--ramp"), below = ramp("--below");
    return (share) => (share < 0 ? below(-share) : above(share));
  }

  /** Draws a square of numbers, each from -1 to 1, onto a canvas. */
  function square(canvas, shares) {
    const side = Math.sqrt(shares.length);
    const color = signed();
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    const image = context.createImageData(side, side);
    shares.forEach((share, i) => image.data.set([...color(share), 255], 4 * i));
    context.putImageData(image, 0, 0);
  }

  return { get, signed, square };
})();
