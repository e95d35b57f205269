import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** What a line has beyond this is left out: a guest may print one that never ends. */
const LINE_LIMIT_CHARACTERS = 64 * 1024;

/**
 * A stream's lines as they come, each cut at 64 Ki characters; they end by a line feed, a carriage return or both. Ends
 * when the stream ends or is destroyed, throws when it fails.
 */
export async function* streamLines(input: Readable): AsyncGenerator<string, void> {
  const decoder = new StringDecoder();
  let line = "";
  let isAfterReturn = false;
  // One that comes when nobody reads any more concerns nobody.
  input.on("error", () => {});
  if (input.destroyed) return;
  try {
    for await (const chunk of input.iterator({ destroyOnReturn: false })) {
      let text = decoder.write(chunk as Buffer);
      if (text === "") continue;
      if (isAfterReturn && text.startsWith("\n")) text = text.slice(1);
      isAfterReturn = text.endsWith("\r");
      const parts = text.split(/\r\n|\n|\r/);
      for (const [index, part] of parts.entries()) {
        if (index > 0) {
          yield line;
          line = "";
        }
        line += part.slice(0, LINE_LIMIT_CHARACTERS - line.length);
      }
    }
  } catch (error) {
    if (!isClosedEarly(error)) throw error;
  }
  if (line !== "") yield line;
}

/** How the iterator of a stream tells that somebody destroyed it, without an error. */
function isClosedEarly(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}
