"use strict";

/* Light or dark: as the system has it until the switch, or that of the site, says otherwise. */

const Theme = (() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];

  /** The choice that the documentation keeps too; none where a browser keeps nothing for a file. */
  function kept() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // it then lasts as long as the page
    }
  }

  function show(theme) {
    root.dataset.theme = theme;
    const other = theme === "dark" ? "light" : "dark";
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = other === "dark" ? "Dark" : "Light";
      button.setAttribute("aria-label", `Switch to the ${other} theme`);
    }
    listeners.forEach((listener) => listener());
  }

  const chosen = () => (["light", "dark"].includes(kept()) ? kept() : null);
  const current = () => chosen() ?? (system.matches ? "dark" : "light");

  show(current());
  system.addEventListener("change", () => show(current()));
  document.addEventListener("DOMContentLoaded", () => {
    show(current());
    document.getElementById("theme").addEventListener("click", () => {
      const theme = root.dataset.theme === "dark" ? "light" : "dark";
      keep(theme);
      show(theme);
    });
  });

  return { onChange: (listener) => listeners.push(listener) };
})();
