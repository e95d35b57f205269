import { CopyButton } from "../controls/copy-button.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** The join code, large enough for a projector, and the course link. */
export function Invitation({ joinCode, joinUrl }: { joinCode: string; joinUrl: string }) {
  const { messages } = useMessages();
  return (
    <section className="panel" aria-labelledby="invite">
      <div className="panel-head">
        <h2 id="invite">{messages.room.invite}</h2>
      </div>
      <dl className="invitation">
        <div>
          <dt>{messages.room.joinCode}</dt>
          <dd className="join-code">{joinCode}</dd>
          <dd>
            <CopyButton text={joinCode} label={messages.room.copyCode} />
          </dd>
        </div>
        <div>
          <dt>{messages.room.joinLink}</dt>
          <dd className="join-link mono">{joinUrl}</dd>
          <dd>
            <CopyButton text={joinUrl} label={messages.room.copyLink} />
          </dd>
        </div>
      </dl>
    </section>
  );
}
