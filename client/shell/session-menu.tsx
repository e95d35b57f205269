import { useId } from "react";
import { useNavigate } from "react-router";
import type { SessionView } from "../../server/protocol/views.ts";
import { api } from "../api.ts";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice } from "../controls/notice.tsx";
import { useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";

/** Who is signed in, and the way out. */
export function SessionMenu({ person }: { person: NonNullable<SessionView["person"]> }) {
  const { messages } = useMessages();
  const navigate = useNavigate();
  const id = useId();
  const leave = useAction(async () => {
    await api.leave();
    await navigate(pages.join);
  });
  return (
    <>
      <button type="button" className="button quiet" popoverTarget={id}>
        <Icon name="user" />
        <span className="bar-word person-name">{person.name}</span>
      </button>
      <div id={id} popover="auto" className="menu session-menu">
        <p>{messages.session.signedInAs(person.name)}</p>
        {leave.error ? <FailureNotice error={leave.error} /> : null}
        <button type="button" className="button" disabled={leave.isPending} onClick={() => leave.run()}>
          {messages.session.leave}
        </button>
      </div>
    </>
  );
}
