import type { ITheme } from "@xterm/xterm";

/** Colours of the page's own palette on a dark ground; the sixteen of programs are legible on it. */
const DARK: ITheme = {
  background: "#11161c",
  foreground: "#dbe1e8",
  cursor: "#dbe1e8",
  cursorAccent: "#11161c",
  selectionBackground: "#2f5580",
  black: "#1c232b",
  red: "#ff8078",
  green: "#6bcb92",
  yellow: "#e8b95c",
  blue: "#76b7f5",
  magenta: "#c0a8f0",
  cyan: "#5fc9cf",
  white: "#cdd5de",
  brightBlack: "#8b97a5",
  brightRed: "#ffa59f",
  brightGreen: "#93dfb2",
  brightYellow: "#f4d08a",
  brightBlue: "#a5d0fa",
  brightMagenta: "#d8c8f8",
  brightCyan: "#93dfe3",
  brightWhite: "#ffffff",
};

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#18202a",
  cursor: "#18202a",
  cursorAccent: "#ffffff",
  selectionBackground: "#bcd8f5",
  black: "#18202a",
  red: "#ac1f1b",
  green: "#176b3c",
  yellow: "#7d4e00",
  blue: "#0b5cab",
  magenta: "#63459a",
  cyan: "#0b6870",
  white: "#52606f",
  brightBlack: "#5c6977",
  brightRed: "#c4302b",
  brightGreen: "#1d7d47",
  brightYellow: "#8f5a00",
  brightBlue: "#1769bd",
  brightMagenta: "#7453ad",
  brightCyan: "#0d7680",
  brightWhite: "#3a4653",
};

export function themeOf(isDark: boolean): ITheme {
  return isDark ? DARK : LIGHT;
}
