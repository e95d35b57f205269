import { type FormEvent, type KeyboardEvent, useEffect, useEffectEvent, useState } from "react";
import { FILE_LIMIT_BYTES } from "../../server/protocol/http.ts";
import { api } from "../api.ts";
import { FailureNotice } from "../controls/notice.tsx";
import { Status } from "../controls/status.tsx";
import { useAction } from "../controls/use-action.ts";
import { isRefused } from "../failure.ts";
import { useMessages } from "../messages/use-messages.ts";
import { isFilePath, PathField } from "./path-field.tsx";
import { PlaceSelect } from "./place-select.tsx";

interface EditorProps {
  attemptId: string;
  place: "vm" | "cluster";
  path: string;
  /** Whether there is something to lose, told whenever that changes. */
  onDirty(isDirty: boolean): void;
}

type Outcome = { kind: "saved" | "loaded"; at: Date } | { kind: "new" };

/** A plain editor for one file of the sandbox: load by path, change, save. */
export function Editor({ attemptId, place: firstPlace, path: firstPath, onDirty }: EditorProps) {
  const { messages } = useMessages();
  const [place, setPlace] = useState(firstPlace);
  const [path, setPath] = useState(firstPath);
  const [text, setText] = useState("");
  const [savedText, setSavedText] = useState("");
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const [wasTried, setTried] = useState(false);
  const isDirty = text !== savedText;
  const pathError = isFilePath(path) ? undefined : messages.files.pathInvalid;
  const [isNotText, setNotText] = useState(false);

  const load = useAction(async () => {
    setNotText(false);
    const loaded = await fetchText(attemptId, place, path);
    if (loaded === "not text") {
      setNotText(true);
      return;
    }
    setText(loaded ?? "");
    setSavedText(loaded ?? "");
    setOutcome(loaded === undefined ? { kind: "new" } : { kind: "loaded", at: new Date() });
    onDirty(false);
  });
  const save = useAction(async (bytes: string) => {
    await api.upload(attemptId, { place, path }, new Blob([bytes]));
    setSavedText(bytes);
    setOutcome({ kind: "saved", at: new Date() });
    onDirty(false);
  });
  const isBusy = load.isPending || save.isPending;
  const loadFirst = useEffectEvent(() => {
    if (isFilePath(firstPath)) load.run();
  });
  useEffect(() => loadFirst(), []);

  function onLoad(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (!pathError && !isBusy) load.run();
  }

  function onSave() {
    setTried(true);
    if (!pathError && !isBusy) save.run(text);
  }

  function change(next: string) {
    setText(next);
    onDirty(next !== savedText);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSave();
    }
    if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      insert(`\n${indentOfLine(event.currentTarget)}`);
    }
  }

  return (
    <div className="editor">
      <form className="editor-bar" onSubmit={onLoad} noValidate aria-label={messages.editor.tab}>
        <PlaceSelect value={place} onChange={setPlace} />
        <PathField
          label={messages.files.path}
          error={wasTried ? pathError : undefined}
          value={path}
          onChange={setPath}
        />
        <div className="button-row">
          <button type="submit" className="button" disabled={isBusy}>
            {load.isPending ? messages.editor.loading : messages.editor.load}
          </button>
          <button type="button" className="button primary" disabled={isBusy} onClick={onSave}>
            {save.isPending ? messages.editor.saving : messages.editor.save}
          </button>
        </div>
      </form>
      {load.error ? <FailureNotice error={load.error} /> : null}
      {save.error ? <FailureNotice error={save.error} /> : null}
      <textarea
        className="editor-text"
        aria-label={messages.editor.text}
        value={text}
        placeholder={messages.editor.empty}
        spellCheck={false}
        autoCapitalize="off"
        maxLength={FILE_LIMIT_BYTES}
        wrap="off"
        onChange={(event) => change(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <p className="editor-status small" role="status">
        {isNotText ? <Status tone="warn">{messages.editor.binary}</Status> : null}
        {!isNotText && isDirty ? <Status tone="warn">{messages.editor.unsaved}</Status> : null}
        {!isNotText && !isDirty && outcome ? <OutcomeWords outcome={outcome} /> : null}
      </p>
    </div>
  );
}

function OutcomeWords({ outcome }: { outcome: Outcome }) {
  const { messages, format } = useMessages();
  if (outcome.kind === "new") return <Status tone="idle">{messages.editor.isNew}</Status>;
  const time = format.clock(outcome.at);
  return (
    <Status tone="ok">
      {outcome.kind === "saved" ? messages.editor.saved(time) : messages.editor.loaded(time)}
    </Status>
  );
}

/** The file's text; `undefined` where there is no such file. */
async function fetchText(
  attemptId: string,
  place: "vm" | "cluster",
  path: string,
): Promise<string | "not text" | undefined> {
  try {
    const bytes = await (await api.download(attemptId, { place, path })).arrayBuffer();
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return "not text";
    }
  } catch (error) {
    if (isRefused(error, "not_found")) return undefined;
    throw error;
  }
}

/** Types as the keyboard would, so that undo knows of it. */
function insert(text: string): void {
  document.execCommand("insertText", false, text);
}

function indentOfLine(area: HTMLTextAreaElement): string {
  const before = area.value.slice(0, area.selectionStart);
  return /^[ \t]*/.exec(before.slice(before.lastIndexOf("\n") + 1))?.[0] ?? "";
}
