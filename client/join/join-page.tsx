import { type FormEvent, useState } from "react";
import { Link, useLoaderData, useNavigate } from "react-router";
import { JoinBody } from "../../server/protocol/http.ts";
import type { SessionView } from "../../server/protocol/views.ts";
import { api } from "../api.ts";
import { Field } from "../controls/field.tsx";
import { FailureNotice, Notice } from "../controls/notice.tsx";
import { useAction } from "../controls/use-action.ts";
import { isRefused } from "../failure.ts";
import { spendSecret, useSecret } from "../fragment.ts";
import type { Messages } from "../messages/en.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { PageFrame } from "../shell/page-frame.tsx";

/** Sign-in of a learner: the course link brings the code, they bring a name. */
export function JoinPage() {
  const { messages } = useMessages();
  const { person } = useLoaderData<SessionView>();
  return (
    <PageFrame title={messages.join.title} person={person}>
      <div className="narrow-page join">
        <h1>{messages.join.title}</h1>
        <p className="muted">{messages.join.intro}</p>
        {person ? (
          <Notice
            tone="idle"
            icon="user"
            title={messages.join.already(person.name)}
            action={
              <Link className="button" to={person.role === "instructor" ? pages.instructor : pages.home}>
                {messages.join.goOn}
              </Link>
            }
          />
        ) : null}
        <JoinForm />
      </div>
    </PageFrame>
  );
}

function JoinForm() {
  const { messages } = useMessages();
  const navigate = useNavigate();
  const codeFromLink = useSecret("code");
  /** What was typed counts until a link brings another code. */
  const [typed, setTyped] = useState<{ code: string; over: string | undefined } | undefined>(undefined);
  const [name, setName] = useState("");
  const [wasTried, setTried] = useState(false);
  const code = typed && typed.over === codeFromLink ? typed.code : (codeFromLink ?? "");
  const parsed = JoinBody.safeParse({ code, name });
  const join = useAction(async (body: JoinBodyShape) => {
    await api.join(body);
    spendSecret("code");
    await navigate(pages.home, { replace: true });
  });

  function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setTried(true);
    if (parsed.success) {
      join.run(parsed.data);
      return;
    }
    const wrong = parsed.error.issues[0]?.path[0];
    event.currentTarget.querySelector<HTMLInputElement>(`[name="${String(wrong)}"]`)?.focus();
  }

  const hasError = (field: "code" | "name") =>
    wasTried && !parsed.success && parsed.error.issues.some((issue) => issue.path[0] === field);
  return (
    <form className="form" onSubmit={onSubmit} noValidate>
      {join.error ? (
        <FailureNotice
          error={join.error}
          title={isRefused(join.error, "forbidden") ? messages.join.wrongCode : undefined}
        />
      ) : null}
      <Field
        label={messages.join.code}
        help={codeFromLink && code === codeFromLink ? messages.join.codeFromLink : messages.join.codeHelp}
        error={hasError("code") ? codeError(code, messages) : undefined}
      >
        {(attributes) => (
          <input
            {...attributes}
            className="input mono"
            name="code"
            value={code}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            required
            onChange={(event) => setTyped({ code: event.target.value, over: codeFromLink })}
          />
        )}
      </Field>
      <Field
        label={messages.join.name}
        help={messages.join.nameHelp}
        error={
          hasError("name") ? (name.trim() ? messages.join.nameLength : messages.join.nameMissing) : undefined
        }
      >
        {(attributes) => (
          <input
            {...attributes}
            className="input"
            name="name"
            value={name}
            autoComplete="name"
            required
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <div className="button-row">
        <button type="submit" className="button primary" disabled={join.isPending}>
          {join.isPending ? messages.join.submitting : messages.join.submit}
        </button>
      </div>
    </form>
  );
}

interface JoinBodyShape {
  code: string;
  name: string;
}

function codeError(code: string, messages: Messages): string {
  return code.trim() ? messages.join.codeLength : messages.join.codeMissing;
}
