/** Line drawings on a 16-pixel grid. Status shapes differ by outline, not only by colour. */
const drawings = {
  check: "M3.5 8.5 6.5 11.5 12.5 4.5",
  "circle-check": "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 0 1 0-12.5M5.2 8.3 7.2 10.3 10.9 6",
  circle: "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 0 1 0-12.5",
  "circle-dot":
    "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 0 1 0-12.5M8 6.6a1.4 1.4 0 1 1 0 2.8a1.4 1.4 0 0 1 0-2.8",
  arc: "M8 1.75a6.25 6.25 0 1 1-5.9 4.2",
  triangle: "M8 2.2 14.4 13.4H1.6ZM8 6.4v3.2M8 11.6v.1",
  octagon: "M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4ZM5.9 5.9l4.2 4.2M10.1 5.9l-4.2 4.2",
  question: "M2.2 2.2h11.6v11.6H2.2ZM6.3 6.2c.2-2.2 3.6-2.1 3.5.1 0 1.2-1.7 1.4-1.8 2.6M8 11.4v.1",
  lock: "M4 7.25h8v6.25H4ZM5.5 7.25V5a2.5 2.5 0 0 1 5 0v2.25",
  "square-off": "M3 3h10v10H3Z",
  info: "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 0 1 0-12.5M8 7.4v3.6M8 5v.1",
  power: "M8 1.9v5.6M4.6 4a5.4 5.4 0 1 0 6.8 0",
  plug: "M5.8 1.75v3M10.2 1.75v3M4 4.75h8v2.5a4 4 0 0 1-8 0ZM8 11.25v3",
  reset: "M13.2 8A5.2 5.2 0 1 1 11.5 4.2M11.7 1.8v2.7H9",
  run: "M4.5 2.8v10.4L12.8 8Z",
  copy: "M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  split: "M2 2.5h12v11H2ZM8 2.5v11",
  single: "M2 2.5h12v11H2Z",
  "arrow-right": "M3 8h10M9.2 4.2 13 8l-3.8 3.8",
  "arrow-left": "M13 8H3M6.8 4.2 3 8l3.8 3.8",
  external: "M6.5 3H3v10h10V9.5M9.5 2.5h4v4M13.2 2.8 7.8 8.2",
  download: "M8 2.2v8M4.6 7 8 10.4 11.4 7M2.8 13.4h10.4",
  upload: "M8 10.4v-8M4.6 5.6 8 2.2l3.4 3.4M2.8 13.4h10.4",
  edit: "M2.8 13.2l.6-2.8 7.4-7.4 2.2 2.2-7.4 7.4ZM9.4 4.4l2.2 2.2",
  "chevron-down": "M3.8 6 8 10.2 12.2 6",
  "chevron-up": "M3.8 10 8 5.8l4.2 4.2",
  "chevron-right": "M6 3.8 10.2 8 6 12.2",
  clock: "M8 1.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 0 1 0-12.5M8 4.6V8l2.4 1.6",
  sliders: "M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M10.5 3v3M5.5 10v3",
  keyboard: "M1.5 4h13v8h-13ZM4 6.7v.1M6.7 6.7v.1M9.3 6.7v.1M12 6.7v.1M5 9.5h6",
  user: "M8 2.5a2.6 2.6 0 1 1 0 5.2a2.6 2.6 0 0 1 0-5.2M2.8 13.8c.5-5.2 9.9-5.2 10.4 0",
  wrench: "M13.6 4.4a3.6 3.6 0 0 1-4.8 4.3l-4.7 4.7-1.5-1.5 4.7-4.7a3.6 3.6 0 0 1 4.3-4.8L9.5 4.5l2 2Z",
} as const;

export type IconName = keyof typeof drawings;

/** A drawing beside words that say the same; hidden from screen readers. */
export function Icon({ name, isTurning = false }: { name: IconName; isTurning?: boolean }) {
  return (
    <svg className={isTurning ? "icon turning" : "icon"} viewBox="0 0 16 16" aria-hidden="true">
      <path d={drawings[name]} />
    </svg>
  );
}
