import { Fragment } from "react";

/** A text of the server, in which names stand in backquotes, with the names as code. */
export function Words({ text }: { text: string }) {
  const parts = text.split("`");
  // A lone backquote is one of the text's own.
  if (parts.length % 2 === 0) return text;
  return parts.map((part, index) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: parts of one text have no other name and never move.
    index % 2 === 1 ? <code key={index}>{part}</code> : <Fragment key={index}>{part}</Fragment>,
  );
}
