import { Field } from "../controls/field.tsx";

/** Where a file is, or is to be. */
export function PathField({
  label,
  help,
  error,
  value,
  onChange,
}: {
  label: string;
  help?: string;
  error: string | undefined;
  value: string;
  onChange: (path: string) => void;
}) {
  return (
    <Field label={label} className="grow" help={help} error={error}>
      {(attributes) => (
        <input
          {...attributes}
          className="input mono"
          value={value}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

/** Whether a text is an absolute path of something that is no directory. */
export function isFilePath(path: string): boolean {
  return path.startsWith("/") && path.length > 1 && !path.endsWith("/");
}
