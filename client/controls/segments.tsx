import { useId } from "react";

/** One choice of a few, side by side; radio buttons to the keyboard. */
export function Segments<Value extends string>(props: {
  label: string;
  /** Shows the label only to screen readers, where the choices speak for themselves. */
  isLabelHidden?: boolean;
  options: { value: Value; label: string; lang?: string }[];
  value: Value;
  onChange: (value: Value) => void;
}) {
  const name = useId();
  return (
    <fieldset className="field">
      <legend className={props.isLabelHidden ? "visually-hidden" : "label"}>{props.label}</legend>
      <div className="segments">
        {props.options.map(({ value, label, lang }) => (
          <label key={value} lang={lang}>
            <input
              type="radio"
              name={name}
              value={value}
              checked={value === props.value}
              onChange={() => props.onChange(value)}
            />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
