import { Field } from "../controls/field.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** Where in the sandbox a file is. */
export function PlaceSelect({
  value,
  onChange,
}: {
  value: "vm" | "cluster";
  onChange: (place: "vm" | "cluster") => void;
}) {
  const { messages } = useMessages();
  return (
    <Field label={messages.files.place}>
      {(attributes) => (
        <select
          {...attributes}
          className="input"
          value={value}
          onChange={(event) => onChange(event.target.value === "cluster" ? "cluster" : "vm")}
        >
          <option value="vm">{messages.files.places.vm}</option>
          <option value="cluster">{messages.files.places.cluster}</option>
        </select>
      )}
    </Field>
  );
}
