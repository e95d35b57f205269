import { useLoaderData } from "react-router";
import type { RoomView, SessionView } from "../../server/protocol/views.ts";
import { useLive, useLiveRoom } from "../connection/live-view.ts";
import { FailureNotice } from "../controls/notice.tsx";
import { isRefused } from "../failure.ts";
import { useMessages } from "../messages/use-messages.ts";
import { PageFrame } from "../shell/page-frame.tsx";
import { ReconnectBanner } from "../shell/reconnect-banner.tsx";
import { Capacity } from "./capacity.tsx";
import { Invitation } from "./invitation.tsx";
import { RoomTable } from "./room-table.tsx";

export interface RoomData {
  person: SessionView["person"];
  /** Absent until the instructor's link has signed somebody in. */
  room: RoomView | undefined;
  /** Why the link did not sign in. */
  failure: unknown;
}

/** The instructor's page: the room, or how to get in. */
export function InstructorPage() {
  const { person, room, failure } = useLoaderData<RoomData>();
  return room ? <Room person={person} initial={room} /> : <SignIn person={person} failure={failure} />;
}

function SignIn({ person, failure }: { person: SessionView["person"]; failure: unknown }) {
  const { messages } = useMessages();
  return (
    <PageFrame title={messages.room.needToken} person={person}>
      <div className="narrow-page">
        <h1>{messages.room.needToken}</h1>
        {failure === undefined ? null : (
          <FailureNotice
            error={failure}
            title={isRefused(failure, "forbidden") ? messages.room.linkUsed : undefined}
          />
        )}
        <p>{messages.room.needTokenBody}</p>
      </div>
    </PageFrame>
  );
}

function Room({ person, initial }: { person: SessionView["person"]; initial: RoomView }) {
  const { messages } = useMessages();
  const { view: room, error } = useLive(useLiveRoom(initial));
  return (
    <PageFrame
      title={messages.room.title}
      person={person}
      banner={
        <>
          <ReconnectBanner />
          {error ? <FailureNotice error={error} /> : null}
        </>
      }
    >
      <div className="page room">
        <h1 className="visually-hidden">{messages.room.title}</h1>
        <div className="room-top">
          <Capacity capacity={room.capacity} />
          <Invitation joinCode={room.joinCode} joinUrl={room.joinUrl} />
        </div>
        <RoomTable rows={room.rows} />
      </div>
    </PageFrame>
  );
}
