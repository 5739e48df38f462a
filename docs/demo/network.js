"use strict";

/*
 * The network of this page, and what brings a drawing into its form. No part of it knows the page:
 * `node` runs it too. The weights are in weights.js, which tools/build_demo.py writes.
 */

const Yat = (() => {
  /** 32-bit floats out of base64, whatever the byte order of the machine. */
  function floats(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float64Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }

  /** Weights as numbers. Row i of `prototypes` is neuron i, of `votes` what it adds to each logit. */
  function model(written) {
    const rows = (text, width) => {
      const all = floats(text);
      const count = all.length / width;
      return Array.from({ length: count }, (_, i) => all.subarray(i * width, (i + 1) * width));
    };
    return {
      ...written,
      prototypes: rows(written.prototypes, written.inputs),
      alpha: floats(written.alpha),
      votes: rows(written.votes, written.outputs),
      bias: floats(written.bias),
    };
  }

  /** alpha (x.w + b)^2 / (|x - w|^2 + epsilon) */
  function response(x, w, { alpha = 1, bias = 0, epsilon = 1 }) {
    let product = bias;
    let distance = epsilon;
    for (let i = 0; i < x.length; i++) {
      product += x[i] * w[i];
      distance += (x[i] - w[i]) ** 2;
    }
    return (alpha * product * product) / distance;
  }

  /** The responses of all hidden neurons to inputs. */
  function responses({ prototypes, alpha, epsilon }, x) {
    return prototypes.map((w, i) => response(x, w, { alpha: alpha[i], epsilon }));
  }

  /** The logits: each neuron votes by its response. */
  function logits({ votes, bias }, hidden) {
    const sums = Float64Array.from(bias);
    hidden.forEach((h, i) => votes[i].forEach((vote, digit) => (sums[digit] += h * vote)));
    return sums;
  }

  function softmax(scores) {
    const most = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - most));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  }

  /** Pixels from 0 to 16 as inputs of the network. */
  function inputs({ mean, deviation }, pixels) {
    return Float64Array.from(pixels, (pixel) => (pixel - mean) / deviation);
  }

  const FINE = 32; // rows and columns that a digit is brought to
  const COARSE = 8; // of which each 4 x 4 are counted
  const WIDEST = 24; // columns, of the 32
  const STEEPEST = 0.7; // slant that is taken out, columns per row
  const TALLEST = 2; // stretch down for each across

  /** Sums over the ink of a drawing, and the box around it once it is upright. */
  function shape(ink, side) {
    let total = 0, down = 0, across = 0;
    ink.forEach((v, at) => {
      total += v;
      down += v * Math.floor(at / side);
      across += v * (at % side);
    });
    const middle = down / total, center = across / total;
    let tall = 0, mixed = 0;
    ink.forEach((v, at) => {
      const y = Math.floor(at / side) - middle, x = (at % side) - center;
      tall += v * y * y;
      mixed += v * y * x;
    });
    const slant = Math.max(-STEEPEST, Math.min(STEEPEST, tall > 0 ? mixed / tall : 0));
    let top = Infinity, bottom = -Infinity, left = Infinity, right = -Infinity;
    ink.forEach((v, at) => {
      if (v <= 0.5) return;
      const y = Math.floor(at / side), x = (at % side) - slant * (y - middle);
      top = Math.min(top, y - 0.5);
      bottom = Math.max(bottom, y + 0.5);
      left = Math.min(left, x - 0.5);
      right = Math.max(right, x + 0.5);
    });
    return { middle, slant, top, bottom, left, right };
  }

  /** The ink between pixels, linear in both directions; 0 beyond the rim. */
  function between(ink, side, y, x) {
    const i = Math.floor(y), j = Math.floor(x);
    const at = (r, c) => (r < 0 || c < 0 || r >= side || c >= side ? 0 : ink[r * side + c]);
    const upper = (1 - x + j) * at(i, j) + (x - j) * at(i, j + 1);
    const lower = (1 - x + j) * at(i + 1, j) + (x - j) * at(i + 1, j + 1);
    return (1 - y + i) * upper + (y - i) * lower;
  }

  /**
   * A drawing, side x side numbers from 0 to 1, as 8 x 8 pixels from 0 to 16: upright, full in
   * height, the ink of 4 x 4 points counted. An empty one stays empty.
   */
  function normalized(ink, side) {
    const pixels = new Float64Array(COARSE * COARSE);
    if (!ink.some((v) => v > 0.5)) return pixels;
    const { middle, slant, top, bottom, left, right } = shape(ink, side);
    const across = Math.min(FINE / (bottom - top), WIDEST / (right - left));
    const down = Math.min(FINE / (bottom - top), TALLEST * across);
    for (let i = 0; i < FINE; i++) {
      const y = (i + 0.5 - FINE / 2) / down + (top + bottom) / 2;
      for (let j = 0; j < FINE; j++) {
        const upright = (j + 0.5 - FINE / 2) / across + (left + right) / 2;
        const x = upright + slant * (y - middle);
        pixels[COARSE * (i >> 2) + (j >> 2)] += between(ink, side, y, x);
      }
    }
    return pixels;
  }

  return { model, response, responses, logits, softmax, inputs, normalized };
})();

if (typeof module !== "undefined") module.exports = Yat;
