import { type FormEvent, useRef, useState } from "react";
import { FILE_LIMIT_BYTES } from "../../server/protocol/http.ts";
import { api } from "../api.ts";
import { Field } from "../controls/field.tsx";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice } from "../controls/notice.tsx";
import { Status } from "../controls/status.tsx";
import { useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";
import { isFilePath, PathField } from "./path-field.tsx";
import { PlaceSelect } from "./place-select.tsx";

type Place = "vm" | "cluster";

/** Directory an uploaded file goes to unless told otherwise; the shell of either place can write there. */
const uploadDirectory: Record<Place, string> = { vm: "/home/admin/", cluster: "/tmp/" };

/** Files of the sandbox: down by path, into the editor by path, up from this computer. */
export function FilesPanel({
  attemptId,
  onEdit,
}: {
  attemptId: string;
  onEdit: (place: Place, path: string) => void;
}) {
  return (
    <div className="files-panel">
      <GetFile attemptId={attemptId} onEdit={onEdit} />
      <SendFile attemptId={attemptId} />
    </div>
  );
}

function GetFile({ attemptId, onEdit }: { attemptId: string; onEdit: (place: Place, path: string) => void }) {
  const { messages } = useMessages();
  const [place, setPlace] = useState<Place>("vm");
  const [path, setPath] = useState("");
  const [wasTried, setTried] = useState(false);
  const isValid = isFilePath(path);
  const download = useAction(async () => {
    offerDownload(await api.download(attemptId, { place, path }), path);
  });

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (isValid) download.run();
  }

  return (
    <form onSubmit={onSubmit} noValidate aria-labelledby="get-file">
      <h3 id="get-file">{messages.files.fetchSection}</h3>
      <div className="field-row">
        <PlaceSelect value={place} onChange={setPlace} />
        <PathField
          label={messages.files.path}
          help={messages.files.pathHelp}
          error={wasTried && !isValid ? messages.files.pathInvalid : undefined}
          value={path}
          onChange={setPath}
        />
      </div>
      {download.error ? <FailureNotice error={download.error} /> : null}
      <div className="button-row">
        <button type="submit" className="button" disabled={download.isPending}>
          <Icon name="download" />
          {download.isPending ? messages.files.downloading : messages.files.download}
        </button>
        <button
          type="button"
          className="button"
          onClick={() => {
            setTried(true);
            if (isValid) onEdit(place, path);
          }}
        >
          <Icon name="edit" />
          {messages.files.edit}
        </button>
      </div>
    </form>
  );
}

function SendFile({ attemptId }: { attemptId: string }) {
  const { messages, format } = useMessages();
  const limit = format.bytes(FILE_LIMIT_BYTES);
  const input = useRef<HTMLInputElement>(null);
  const [place, setPlace] = useState<Place>("vm");
  const [file, setFile] = useState<File | undefined>(undefined);
  const [typedPath, setTypedPath] = useState<string | undefined>(undefined);
  const [wasTried, setTried] = useState(false);
  const [savedAs, setSavedAs] = useState<string | undefined>(undefined);
  const path = typedPath ?? (file ? uploadDirectory[place] + file.name : "");
  const fileError = !file
    ? messages.files.noFile
    : file.size > FILE_LIMIT_BYTES
      ? messages.files.tooLarge(limit)
      : undefined;
  const pathError = isFilePath(path) ? undefined : messages.files.pathInvalid;
  const upload = useAction(async (bytes: File) => {
    setSavedAs(undefined);
    await api.upload(attemptId, { place, path }, bytes);
    setSavedAs(path);
    setFile(undefined);
    setTypedPath(undefined);
    setTried(false);
    if (input.current) input.current.value = "";
  });

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    if (file && !fileError && !pathError) upload.run(file);
  }

  return (
    <form onSubmit={onSubmit} noValidate aria-labelledby="send-file">
      <h3 id="send-file">{messages.files.sendSection}</h3>
      <div className="field-row">
        <Field
          label={messages.files.chooseFile}
          className="grow"
          help={messages.files.limit(limit)}
          error={wasTried ? fileError : undefined}
        >
          {(attributes) => (
            <input
              {...attributes}
              ref={input}
              className="input file-input"
              type="file"
              onChange={(event) => {
                setFile(event.target.files?.[0]);
                setSavedAs(undefined);
              }}
            />
          )}
        </Field>
      </div>
      <div className="field-row">
        <PlaceSelect value={place} onChange={setPlace} />
        <PathField
          label={messages.files.targetPath}
          error={wasTried && file ? pathError : undefined}
          value={path}
          onChange={setTypedPath}
        />
      </div>
      {upload.error ? <FailureNotice error={upload.error} /> : null}
      <div className="button-row">
        <button type="submit" className="button" disabled={upload.isPending}>
          <Icon name="upload" />
          {upload.isPending ? messages.files.uploading : messages.files.upload}
        </button>
        <span role="status">
          {savedAs ? <Status tone="ok">{messages.files.uploaded(savedAs)}</Status> : null}
        </span>
      </div>
    </form>
  );
}

function offerDownload(bytes: Blob, path: string): void {
  const url = URL.createObjectURL(bytes);
  const link = document.createElement("a");
  link.href = url;
  link.download = path.slice(path.lastIndexOf("/") + 1);
  link.click();
  // The browser has taken the bytes once the click is handled.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
