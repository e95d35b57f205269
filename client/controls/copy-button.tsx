import { useState } from "react";
import { useMessages } from "../messages/use-messages.ts";
import { Icon } from "./icon.tsx";

/** Copies a text and says that it did. */
export function CopyButton({
  text,
  label,
  className = "button small",
}: {
  text: string;
  label?: string;
  className?: string;
}) {
  const { messages } = useMessages();
  const [outcome, setOutcome] = useState<{ text: string; isCopied: boolean } | undefined>();
  const word = label ?? messages.copy;
  // A button whose text has changed since has copied nothing yet.
  const shown = outcome?.text === text ? outcome : undefined;
  return (
    <>
      <button
        type="button"
        className={className}
        onClick={() => {
          copyText(text).then(
            () => setOutcome({ text, isCopied: true }),
            () => setOutcome({ text, isCopied: false }),
          );
        }}
      >
        <Icon name={shown?.isCopied ? "check" : "copy"} />
        {shown?.isCopied ? messages.copied : word}
      </button>
      <span role="status" className={shown && !shown.isCopied ? "small muted" : "visually-hidden"}>
        {shown ? (shown.isCopied ? messages.copied : messages.copyFailed) : ""}
      </span>
    </>
  );
}

async function copyText(text: string): Promise<void> {
  // Without TLS, as on a lab server of the local network, browsers have no clipboard API.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("aria-hidden", "true");
  area.className = "visually-hidden";
  document.body.append(area);
  const focused = document.activeElement;
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!isCopied) throw new Error("copy was refused");
}
