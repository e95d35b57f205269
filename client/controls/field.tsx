import { type ReactNode, useId } from "react";
import { Icon } from "./icon.tsx";

interface FieldProps {
  label: string;
  help?: string | undefined;
  error?: string | undefined;
  className?: string;
  /** Gets the attributes that tie the control to its label, help and error. */
  children: (attributes: {
    id: string;
    "aria-describedby": string | undefined;
    "aria-invalid": true | undefined;
  }) => ReactNode;
}

/** A labelled control with help and error beneath. */
export function Field({ label, help, error, className, children }: FieldProps) {
  const id = useId();
  const describedBy = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className={className ? `field ${className}` : "field"}>
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        "aria-describedby": describedBy || undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {error ? (
        <span className="error" id={`${id}-error`}>
          <Icon name="octagon" />
          {error}
        </span>
      ) : null}
      {help ? (
        <span className="help" id={`${id}-help`}>
          {help}
        </span>
      ) : null}
    </div>
  );
}
