import type { TroubleView } from "../../server/protocol/views.ts";
import { Words } from "../controls/words.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { describeTrouble } from "./trouble.ts";

/** The reason and the remedy of a broken part, as two paragraphs. */
export function TroubleText({ trouble }: { trouble: TroubleView }) {
  const { messages } = useMessages();
  const { reason, remedy, lang } = describeTrouble(trouble, messages);
  return (
    <>
      <p lang={lang}>
        <Words text={reason} />
      </p>
      <p className="muted">
        {messages.sandbox.remedy}:{" "}
        <span lang={lang}>
          <Words text={remedy} />
        </span>
      </p>
    </>
  );
}
