import { type FormEvent, useState } from "react";
import type { AttemptView } from "../../server/protocol/views.ts";
import { api } from "../api.ts";
import { Field } from "../controls/field.tsx";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice, Notice } from "../controls/notice.tsx";
import { useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";

type World = "vm" | "cluster";

/** Web services of the sandbox, by name where the lab announces them, else by port. */
export function WebPanel({ attempt }: { attempt: AttemptView }) {
  const { messages } = useMessages();
  const [blockedUrl, setBlockedUrl] = useState<string | undefined>(undefined);
  const open = useAction(async (world: World, port: number, tab: Window | null) => {
    setBlockedUrl(undefined);
    try {
      const { url } = await api.openWeb(attempt.id, { world, port });
      if (tab) tab.location.replace(url);
      else setBlockedUrl(url);
    } catch (error) {
      tab?.close();
      throw error;
    }
  });
  // The tab must open in the click itself, or the browser takes it for an advertisement.
  const openNow = (world: World, port: number) => open.run(world, port, openEmptyTab());
  const isOpening = (world: World, port: number) => open.running?.[0] === world && open.running[1] === port;

  return (
    <div className="web-panel">
      <div>
        <p className="small muted">{messages.web.help}</p>
        {attempt.webServices.length > 0 ? (
          <table className="data-table">
            <caption className="visually-hidden">{messages.web.title}</caption>
            <thead>
              <tr>
                <th scope="col">{messages.web.service}</th>
                <th scope="col">{messages.web.where}</th>
                <th scope="col">{messages.web.port}</th>
                <th scope="col">
                  <span className="visually-hidden">{messages.web.open}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {attempt.webServices.map(({ name, world, port }) => (
                <tr key={`${world}-${port}`}>
                  <td>{name}</td>
                  <td>{messages.web.worlds[world]}</td>
                  <td className="numeric">{port}</td>
                  <td className="cell-action">
                    <button
                      type="button"
                      className="button small"
                      aria-label={messages.web.openService(name)}
                      disabled={open.isPending}
                      onClick={() => openNow(world, port)}
                    >
                      <Icon name="external" />
                      {isOpening(world, port) ? messages.web.opening : messages.web.open}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : (
          <p className="muted">{messages.web.none}</p>
        )}
        {open.error ? <FailureNotice error={open.error} /> : null}
        {blockedUrl ? (
          <Notice tone="warn" title={messages.web.blocked} role="alert">
            <a href={blockedUrl} target="_blank" rel="noopener noreferrer">
              {messages.web.follow}
            </a>
          </Notice>
        ) : null}
      </div>
      <OtherPort onOpen={openNow} isBusy={open.isPending} />
    </div>
  );
}

function OtherPort({ onOpen, isBusy }: { onOpen: (world: World, port: number) => void; isBusy: boolean }) {
  const { messages } = useMessages();
  const [world, setWorld] = useState<World>("cluster");
  const [port, setPort] = useState("");
  const [wasTried, setTried] = useState(false);
  const number = Number(port);
  const isValid = Number.isInteger(number) && number >= 1 && number <= 65_535;

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (isValid) onOpen(world, number);
  }

  return (
    <form className="other-port" onSubmit={onSubmit} noValidate aria-labelledby="other-port">
      <h3 id="other-port">{messages.web.other}</h3>
      <div className="field-row">
        <Field label={messages.web.where}>
          {(attributes) => (
            <select
              {...attributes}
              className="input"
              value={world}
              onChange={(event) => setWorld(event.target.value === "vm" ? "vm" : "cluster")}
            >
              <option value="cluster">{messages.web.worlds.cluster}</option>
              <option value="vm">{messages.web.worlds.vm}</option>
            </select>
          )}
        </Field>
        <Field
          label={messages.web.port}
          className="port-field"
          error={wasTried && !isValid ? messages.web.portInvalid : undefined}
        >
          {(attributes) => (
            <input
              {...attributes}
              className="input numeric"
              inputMode="numeric"
              autoComplete="off"
              value={port}
              onChange={(event) => setPort(event.target.value)}
            />
          )}
        </Field>
        <button type="submit" className="button" disabled={isBusy}>
          <Icon name="external" />
          {messages.web.open}
        </button>
      </div>
    </form>
  );
}

function openEmptyTab(): Window | null {
  const tab = window.open("about:blank", "_blank");
  // What runs in the sandbox must not reach back into this page.
  if (tab) tab.opener = null;
  return tab;
}
