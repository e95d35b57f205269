import { useId } from "react";
import { useRevalidator } from "react-router";
import type { Language } from "../../server/protocol/views.ts";
import { Icon } from "../controls/icon.tsx";
import { Segments } from "../controls/segments.tsx";
import { messagesIn, useMessages } from "../messages/use-messages.ts";
import { type Preferences, setPreferences, usePreferences } from "../preferences.ts";

const languages: { value: Language; label: string; lang: string }[] = [
  { value: "en", label: messagesIn("en").languageName, lang: "en" },
  { value: "zh", label: messagesIn("zh").languageName, lang: "zh-Hans" },
];

/** Language, colours and screen-reader mode of this browser. */
export function DisplayMenu() {
  const { messages } = useMessages();
  const { language, theme, screenReader } = usePreferences();
  const revalidator = useRevalidator();
  const id = useId();
  const helpId = useId();
  const themes = (["system", "light", "dark"] as const).map((value) => ({
    value,
    label: messages.display.themes[value],
  }));
  return (
    <>
      <button type="button" className="button quiet" popoverTarget={id}>
        <Icon name="sliders" />
        <span className="bar-word">{messages.display.button}</span>
      </button>
      <div id={id} popover="auto" className="menu display-menu">
        <Segments
          label={messages.display.language}
          options={languages}
          value={language}
          onChange={(value) => {
            setPreferences({ language: value });
            // Labs are texts of the server: they come anew in the new language.
            void revalidator.revalidate();
          }}
        />
        <Segments<Preferences["theme"]>
          label={messages.display.theme}
          options={themes}
          value={theme}
          onChange={(value) => setPreferences({ theme: value })}
        />
        <label className="check-line">
          <input
            type="checkbox"
            checked={screenReader}
            aria-describedby={helpId}
            onChange={(event) => setPreferences({ screenReader: event.target.checked })}
          />
          <span>{messages.display.screenReader}</span>
          <span className="help" id={helpId}>
            {messages.display.screenReaderHelp}
          </span>
        </label>
      </div>
    </>
  );
}
