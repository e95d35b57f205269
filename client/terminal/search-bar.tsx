import type { SearchAddon } from "@xterm/addon-search";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { TerminalLabels } from "./terminal-labels.ts";

const MATCHES = {
  matchBackground: "#7d4e00",
  matchOverviewRuler: "#e8b95c",
  activeMatchBackground: "#b5332d",
  activeMatchColorOverviewRuler: "#ff978d",
};

export interface SearchBarProps {
  search: SearchAddon;
  labels: TerminalLabels;
  onClose(): void;
}

/** Finds text in screen and scrollback; Enter goes up, to older matches, as people look for what scrolled away. */
export function SearchBar({ search, labels, onClose }: SearchBarProps) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [found, setFound] = useState<{ at: number; of: number } | undefined>();
  useEffect(() => {
    input.current?.focus();
    const results = search.onDidChangeResults(({ resultIndex, resultCount }) =>
      setFound({ at: resultIndex + 1, of: resultCount }),
    );
    return () => {
      results.dispose();
      search.clearDecorations();
    };
  }, [search]);

  const find = (direction: "older" | "newer", what = text, incremental = false) => {
    if (what === "") search.clearDecorations();
    else if (direction === "older") search.findPrevious(what, { decorations: MATCHES });
    else search.findNext(what, { decorations: MATCHES, incremental });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter") find(event.shiftKey ? "newer" : "older");
    else return;
    event.preventDefault();
  };

  return (
    <search className="terminal-search">
      <input
        ref={input}
        type="search"
        aria-label={labels.search}
        placeholder={labels.search}
        value={text}
        onChange={({ target }) => {
          setText(target.value);
          find("older", target.value);
        }}
        onKeyDown={onKeyDown}
      />
      <output>
        {found && text ? (found.of === 0 ? labels.searchNothing : `${found.at}/${found.of}`) : ""}
      </output>
      <button
        type="button"
        aria-label={labels.searchPrevious}
        title={labels.searchPrevious}
        onClick={() => find("older")}
      >
        ↑
      </button>
      <button
        type="button"
        aria-label={labels.searchNext}
        title={labels.searchNext}
        onClick={() => find("newer")}
      >
        ↓
      </button>
      <button type="button" aria-label={labels.searchClose} title={labels.searchClose} onClick={onClose}>
        ×
      </button>
    </search>
  );
}
