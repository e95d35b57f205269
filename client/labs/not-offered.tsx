import { Notice } from "../controls/notice.tsx";
import { Words } from "../controls/words.tsx";
import { asSentence } from "../failure.ts";
import { useMessages } from "../messages/use-messages.ts";

/** Why a lab can't be taken here. */
export function NotOffered({ because }: { because: string }) {
  const { messages } = useMessages();
  return (
    <Notice tone="warn" title={messages.labs.notOffered}>
      <p>
        <Words text={asSentence(because)} />
      </p>
    </Notice>
  );
}
