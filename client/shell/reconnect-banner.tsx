import { Link } from "react-router";
import { useConnection, useConnectionState } from "../connection/connection.tsx";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice } from "../controls/notice.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";

/** Says that the page is cut off, and what is done or can be done about it; what was in it stays readable. */
export function ReconnectBanner() {
  const { messages } = useMessages();
  const connection = useConnection();
  const state = useConnectionState();
  if (state.kind === "refused")
    return (
      <div className="page-notices">
        <FailureNotice
          error={state.error}
          action={
            state.error.code === "not_signed_in" ? (
              <Link className="button" to={pages.join}>
                {messages.session.signInAgain}
              </Link>
            ) : (
              <button type="button" className="button" onClick={() => connection.reconnect()}>
                {messages.retry}
              </button>
            )
          }
        />
      </div>
    );
  return (
    <div role="status">
      {state.kind === "lost" ? (
        <div className="reconnect" data-tone="warn">
          <Icon name="triangle" />
          <strong>{messages.connection.lost}.</strong>
          <span>{messages.connection.lostHelp}</span>
          <button type="button" className="button small" onClick={() => connection.reconnect()}>
            {messages.connection.tryNow}
          </button>
        </div>
      ) : null}
    </div>
  );
}
