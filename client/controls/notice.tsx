import type { ReactNode } from "react";
import { describeFailure } from "../failure.ts";
import { useMessages } from "../messages/use-messages.ts";
import { Icon, type IconName } from "./icon.tsx";
import { type Tone, toneIcon } from "./status.tsx";
import { Words } from "./words.tsx";

interface NoticeProps {
  tone: Tone;
  title: string;
  icon?: IconName;
  children?: ReactNode;
  action?: ReactNode;
  /** `alert` for what must be heard at once, `status` for what can wait; without it nothing is announced. */
  role?: "alert" | "status";
}

/** Something the reader should know, with what can be done about it. */
export function Notice({ tone, title, icon, children, action, role }: NoticeProps) {
  return (
    <div className="notice" data-tone={tone} role={role}>
      <Icon name={icon ?? toneIcon(tone)} isTurning={tone === "busy" && icon === undefined} />
      <div className="notice-body">
        <p className="notice-title">{title}</p>
        {children}
      </div>
      {action ? <div className="notice-action">{action}</div> : null}
    </div>
  );
}

/** A failure in words. The server's own words are English and marked so. */
export function FailureNotice({
  error,
  title,
  action,
}: {
  error: unknown;
  /** Says better than the failure's code what could not be done. */
  title?: string | undefined;
  action?: ReactNode;
}) {
  const { messages } = useMessages();
  const words = describeFailure(error, messages);
  return (
    <Notice tone="bad" title={title ?? words.title} role="alert" action={action}>
      {words.detail ? (
        <p lang="en">
          <Words text={words.detail} />
        </p>
      ) : null}
      {words.hint ? (
        <p className="muted">
          {messages.failure.hint}:{" "}
          <span lang={words.isOwnHint ? undefined : "en"}>
            <Words text={words.hint} />
          </span>
        </p>
      ) : null}
    </Notice>
  );
}
