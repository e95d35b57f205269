import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { expect, test } from "vitest";

/** What each top-level layer may import of ours; `server/protocol` is a layer of its own. */
const mayImport: Record<string, string[]> = {
  sandboxes: ["sandboxes"],
  protocol: ["protocol"],
  server: ["server", "sandboxes", "protocol", "package.json"],
  client: ["client", "protocol"],
};

const layerOf = (file: string) =>
  (file.startsWith(`server${sep}protocol`) ? "protocol" : file.split(sep)[0]) ?? "";

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1] ?? "");
}

const files = globSync("{sandboxes,server,client}/**/*.{ts,tsx}", {
  exclude: (path) => path.includes("dist"),
});

test("layers import one way only", () => {
  expect(files.length).toBeGreaterThan(20);
  const wrong = files.flatMap((file) => {
    const allowed = mayImport[layerOf(file)] ?? [];
    return importsOf(file)
      .filter((target) => target.startsWith("."))
      .map((target) => normalize(join(dirname(file), target)))
      .filter((target) => !allowed.includes(layerOf(target)))
      .map((target) => `${file} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test("the protocol runs in a browser", () => {
  const wrong = files
    .filter((file) => layerOf(file) === "protocol")
    .flatMap((file) => importsOf(file).filter((target) => !target.startsWith(".") && target !== "zod"));
  expect(wrong).toEqual([]);
});

test("no module has a default export", () => {
  const wrong = files.filter((file) => /^export default/m.test(readFileSync(file, "utf8")));
  expect(wrong).toEqual([]);
});
