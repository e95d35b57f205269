import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { LabError } from "../sandboxes/errors.ts";
import { Settings } from "./settings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "FOOTBRIDGE_";

/** What root's services read; a user's own file comes before it. */
const SYSTEM_FILE = "/etc/footbridge/config.yaml";

/** Variables of ours that are no settings: where the settings are, and what tests and development use. */
const NO_SETTING = /^FOOTBRIDGE_(CONFIG|URL|TERMINALS|TEST_.*|BENCH_.*)$/;

/** Where a value came from, to say so when it is wrong. */
interface Source {
  values: Record<string, unknown>;
  /** In words, for a setting that came from here. */
  where(setting: string): string;
}

/** The environment's name of a setting: `poolSize` is `FOOTBRIDGE_POOL_SIZE`. */
export function variableOf(setting: string): string {
  return `${PREFIX}${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/**
 * The settings: variables before the config file before defaults. The file is the one that `FOOTBRIDGE_CONFIG` names,
 * else the user's own, else the host's.
 * @throws LabError `bad_settings` with everything that is wrong, by setting and where it came from
 */
export async function loadSettings(env: Environment, systemFile = SYSTEM_FILE): Promise<Settings> {
  const file = await readConfigFile(env, systemFile);
  const variables = readVariables(env);
  const parsed = Settings.safeParse({ ...folders(env), ...file.values, ...variables.values });
  const problems = [
    ...unknownVariables(env),
    ...(parsed.error?.issues ?? []).flatMap((issue) => describe(issue, file, variables)),
  ];
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new LabError("bad_settings", `the settings are wrong: ${problems.join("; ")}`, {
    hint: "README has a table of all settings",
  });
}

/** README's table of settings. */
export function describeSettings(): string {
  const { properties = {}, required = [] } = z.toJSONSchema(Settings, { io: "input" });
  const rows = Object.entries(properties).map(([name, schema]) => {
    const { description = "", default: value, enum: choices } = schema as z.core.JSONSchema.BaseSchema;
    const choice = choices ? ` One of ${choices.map((one) => `\`${one}\``).join(", ")}.` : "";
    const fallback = DEFAULT_FOLDERS[name] ?? (value === undefined ? "" : String(value));
    if (required.includes(name) && fallback === "") throw new Error(`setting ${name} has no default`);
    return `| \`${name}\` | \`${variableOf(name)}\` | ${fallback && `\`${fallback}\``} | ${description}${choice} |`;
  });
  return ["| setting | variable | default | what it is |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

const DEFAULT_FOLDERS: Record<string, string> = {
  stateDir: "~/.local/state/footbridge",
  cacheDir: "~/.cache/footbridge",
};

function folders(env: Environment): { stateDir: string; cacheDir: string } {
  const home = env.HOME ?? homedir();
  return {
    stateDir: join(env.XDG_STATE_HOME || join(home, ".local/state"), "footbridge"),
    cacheDir: join(env.XDG_CACHE_HOME || join(home, ".cache"), "footbridge"),
  };
}

async function readConfigFile(env: Environment, systemFile: string): Promise<Source> {
  const asked = env.FOOTBRIDGE_CONFIG;
  const config = env.XDG_CONFIG_HOME || join(env.HOME ?? homedir(), ".config");
  const own = join(config, "footbridge/config.yaml");
  const path = asked ?? (existsSync(own) ? own : systemFile);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (asked === undefined && error.code === "ENOENT") return "";
    throw new LabError("bad_settings", `can't read the config file \`${path}\`: ${error.message}`, {
      hint: "`FOOTBRIDGE_CONFIG` names it; by default it is `~/.config/footbridge/config.yaml`, else `/etc/footbridge/config.yaml`",
    });
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error) throw new LabError("bad_settings", `the config file \`${path}\` is no YAML: ${error.message}`);
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== "object" || values === null || Array.isArray(values))
    throw new LabError("bad_settings", `the config file \`${path}\` is not a list of \`setting: value\``);
  return {
    values: { ...values },
    where: (setting) => {
      const offset = keyOffset(document.contents, setting);
      return offset === undefined ? `in ${path}` : `in ${path}:${lines.linePos(offset).line}`;
    },
  };
}

function keyOffset(contents: unknown, setting: string): number | undefined {
  const { items = [] } = (contents ?? {}) as { items?: { key: { value: unknown; range?: number[] } }[] };
  return items.find(({ key }) => key.value === setting)?.key.range?.[0];
}

/** Variables are text; those of settings that are numbers or switches are read as such. */
function readVariables(env: Environment): Source {
  const { properties = {} } = z.toJSONSchema(Settings, { io: "input" });
  const values: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(properties)) {
    const text = env[variableOf(name)];
    if (text !== undefined) values[name] = fromText(text, (schema as z.core.JSONSchema.BaseSchema).type);
  }
  return { values, where: (setting) => `in the variable \`${variableOf(setting)}\`` };
}

function fromText(text: string, type: z.core.JSONSchema.BaseSchema["type"]): unknown {
  const trimmed = text.trim();
  if (type === "number" || type === "integer")
    return trimmed !== "" && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
  if (type === "boolean") return { true: true, false: false }[trimmed] ?? trimmed;
  return text;
}

function unknownVariables(env: Environment): string[] {
  const known = new Set(Object.keys(Settings.shape).map(variableOf));
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.has(name) && !NO_SETTING.test(name))
    .map((name) => `there is no setting for the variable \`${name}\``);
}

function describe(issue: z.core.$ZodIssue, file: Source, variables: Source): string[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `there is no setting \`${key}\` (${file.where(key)})`);
  const setting = String(issue.path[0] ?? "");
  const source = [variables, file].find(({ values }) => setting in values);
  const where = source ? ` (${source.where(setting)})` : "";
  return [`\`${setting}\`${where}: ${issue.message}`];
}
