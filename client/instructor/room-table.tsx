import { useId, useState } from "react";
import { Link } from "react-router";
import { serverNow, useServerNow } from "../clock.ts";
import { Icon } from "../controls/icon.tsx";
import { Notice } from "../controls/notice.tsx";
import { Status } from "../controls/status.tsx";
import { shownTimeLeft } from "../lab-page/remaining-time.tsx";
import { phaseTone } from "../lab-page/sandbox-state.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import {
  isFinished,
  needsAttention,
  passedCount,
  type Row,
  type Sort,
  type SortKey,
  shownRows,
} from "./room-rows.ts";

/** Everybody in the room, one line each; what needs help stands first. */
export function RoomTable({ rows }: { rows: Row[] }) {
  const { messages } = useMessages();
  const [filter, setFilter] = useState("");
  const [sort, setSort] = useState<Sort>({ key: "attention", isDescending: false });
  const filterId = useId();
  const shown = shownRows(rows, filter, sort);
  const attention = rows.filter(needsAttention).length;
  const finished = rows.filter(isFinished).length;
  return (
    <section className="panel room-panel" aria-labelledby="learners">
      <div className="panel-head">
        <h2 id="learners">{messages.room.learners}</h2>
        <p className="room-counts small muted numeric">
          <span>{messages.room.learnerCount(rows.length)}</span>
          {finished > 0 ? <span>{messages.room.passedCount(finished)}</span> : null}
          {attention > 0 ? <Status tone="bad">{messages.room.attentionCount(attention)}</Status> : null}
        </p>
        {rows.length > 0 ? (
          <div className="room-filter">
            <label className="visually-hidden" htmlFor={filterId}>
              {messages.room.filter}
            </label>
            <input
              id={filterId}
              className="input"
              type="search"
              placeholder={messages.room.filter}
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
            />
          </div>
        ) : null}
      </div>
      {rows.length === 0 ? (
        <Notice tone="idle" icon="user" title={messages.room.empty}>
          <p>{messages.room.emptyHelp}</p>
        </Notice>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
        <div className="table-scroll" tabIndex={0}>
          <table className="data-table room-table">
            <thead>
              <tr>
                <SortHeader name="learner" sort={sort} onSort={setSort} />
                <SortHeader name="lab" sort={sort} onSort={setSort} />
                <SortHeader name="progress" sort={sort} onSort={setSort} />
                <th scope="col">{messages.room.columns.task}</th>
                <th scope="col">{messages.room.columns.state}</th>
                <SortHeader name="sandbox" sort={sort} onSort={setSort} />
                <SortHeader name="activity" sort={sort} onSort={setSort} />
                <SortHeader name="left" sort={sort} onSort={setSort} />
              </tr>
            </thead>
            <tbody>
              {shown.map((row) => (
                <LearnerRow key={row.attempt.id} row={row} />
              ))}
            </tbody>
          </table>
          {shown.length === 0 ? <p className="muted table-empty">{messages.room.noMatch}</p> : null}
        </div>
      )}
    </section>
  );
}

function SortHeader({
  name,
  sort,
  onSort,
}: {
  name: Exclude<SortKey, "attention">;
  sort: Sort;
  onSort: (sort: Sort) => void;
}) {
  const { messages } = useMessages();
  const isSorted = sort.key === name;
  return (
    <th scope="col" aria-sort={isSorted ? (sort.isDescending ? "descending" : "ascending") : undefined}>
      <button
        type="button"
        className="sort-button"
        onClick={() => onSort({ key: name, isDescending: isSorted && !sort.isDescending })}
      >
        {messages.room.columns[name]}
        {isSorted ? <Icon name={sort.isDescending ? "chevron-down" : "chevron-up"} /> : null}
      </button>
    </th>
  );
}

function LearnerRow({ row }: { row: Row }) {
  const { messages, format } = useMessages();
  const now = useServerNow();
  const { attempt } = row;
  const passed = passedCount(row);
  const current = attempt.tasks.find((task) => task.state === "open");
  const leftMs = Math.max(0, Date.parse(attempt.endsAt) - now);
  // Never in the future, however the clocks differ.
  const idleMs = Math.max(0, Math.max(now, serverNow()) - Date.parse(row.lastActivityAt));
  const { sandbox } = attempt;
  return (
    <tr data-attention={needsAttention(row)}>
      <th scope="row">
        <Link to={pages.attempt(attempt.id)} aria-label={messages.room.openAttempt(attempt.learner)}>
          {attempt.learner}
        </Link>
      </th>
      <td>{attempt.labTitle}</td>
      <td>
        <span className="progress-cell numeric">
          <span>
            {passed}/{attempt.tasks.length}
          </span>
          <span className="meter" data-tone="ok">
            <span
              style={{ width: `${attempt.tasks.length > 0 ? (passed / attempt.tasks.length) * 100 : 0}%` }}
            />
          </span>
        </span>
      </td>
      <td>
        {isFinished(row) ? (
          <Status tone="ok">{messages.room.finished}</Status>
        ) : (
          <span className="task-cell">{current?.title ?? "–"}</span>
        )}
      </td>
      <td>
        {attempt.state === "queued" && attempt.queuePosition !== undefined
          ? messages.room.stateQueued(attempt.queuePosition)
          : messages.room.states[attempt.state]}
      </td>
      <td>
        {sandbox ? (
          <Status tone={phaseTone[sandbox.phase]}>{messages.sandbox.phases[sandbox.phase]}</Status>
        ) : (
          <span className="muted">{messages.sandbox.none}</span>
        )}
      </td>
      <td className="numeric" title={format.dateTime(row.lastActivityAt)}>
        {format.ago(idleMs) ?? messages.room.justNow}
      </td>
      <td className="numeric">{attempt.state === "ended" ? "–" : format.duration(shownTimeLeft(leftMs))}</td>
    </tr>
  );
}
