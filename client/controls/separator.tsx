import { type KeyboardEvent, type PointerEvent, useState } from "react";

interface SeparatorProps {
  label: string;
  /** `vertical` stands between left and right. */
  orientation: "vertical" | "horizontal";
  /** Share of the part before it, in per cent. */
  value: number;
  min: number;
  max: number;
  /** Id of the part it makes larger. */
  controls: string;
  onChange(value: number): void;
}

const KEY_STEP = 2;
const PAGE_STEP = 10;

/** Divides its parent in two; moves by pointer and by keyboard (arrows, Page Up and Down, Home, End). */
export function Separator(props: SeparatorProps) {
  const { orientation, value, min, max, onChange } = props;
  const [isMoving, setMoving] = useState(false);
  const isVertical = orientation === "vertical";
  const move = (to: number) => onChange(Math.round(Math.min(max, Math.max(min, to)) * 10) / 10);

  function onKeyDown(event: KeyboardEvent) {
    const steps: Partial<Record<string, number>> = {
      [isVertical ? "ArrowLeft" : "ArrowUp"]: value - KEY_STEP,
      [isVertical ? "ArrowRight" : "ArrowDown"]: value + KEY_STEP,
      PageUp: value - PAGE_STEP,
      PageDown: value + PAGE_STEP,
      Home: min,
      End: max,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  }

  function onPointerMove(event: PointerEvent<HTMLDivElement>) {
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (!isMoving || !box) return;
    move(
      isVertical
        ? ((event.clientX - box.left) / box.width) * 100
        : ((event.clientY - box.top) / box.height) * 100,
    );
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: an <hr> is a separator that can't be moved.
    <div
      className="separator"
      role="separator"
      tabIndex={0}
      aria-label={props.label}
      aria-orientation={orientation}
      aria-valuenow={Math.round(value)}
      aria-valuemin={min}
      aria-valuemax={max}
      aria-controls={props.controls}
      data-moving={isMoving}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setMoving(true);
      }}
      onPointerMove={onPointerMove}
      onPointerUp={() => setMoving(false)}
      onLostPointerCapture={() => setMoving(false)}
    />
  );
}
