import type { RoomView } from "../../server/protocol/views.ts";
import { Status } from "../controls/status.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** Above this share memory is nearly gone. */
const TIGHT_SHARE = 0.9;

/** What the host has, what is promised of it, and how many more fit. */
export function Capacity({ capacity }: { capacity: RoomView["capacity"] }) {
  const { messages, format } = useMessages();
  const { memoryMib, cpus, room } = capacity;
  const share = memoryMib.total > 0 ? Math.min(1, memoryMib.reserved / memoryMib.total) : 0;
  const memory = messages.room.memoryUse(
    format.mib(memoryMib.reserved),
    format.mib(memoryMib.total),
    format.mib(memoryMib.free),
  );
  return (
    <section className="panel" aria-labelledby="capacity">
      <div className="panel-head">
        <h2 id="capacity">{messages.room.capacity}</h2>
        <Status tone={room > 0 ? "ok" : "warn"}>
          {room > 0 ? messages.room.roomFor(room) : messages.room.noRoom}
        </Status>
      </div>
      <dl className="capacity">
        <div>
          <dt>{messages.room.memory}</dt>
          <dd>
            <div className="meter" data-tone={share > TIGHT_SHARE ? "warn" : "busy"}>
              <span style={{ width: `${share * 100}%` }} />
            </div>
            <span className="small numeric">{memory}</span>
          </dd>
        </div>
        <div>
          <dt>{messages.room.cpus}</dt>
          <dd>
            <span className="small numeric">
              {messages.room.cpuUse(format.number(cpus.reserved), format.number(cpus.total))}
            </span>
          </dd>
        </div>
      </dl>
    </section>
  );
}
