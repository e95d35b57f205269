import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../run.ts";

/**
 * How this host reaches package registries. A build inherits it at run time; it is in no key and no image, so that the
 * same inputs give the same image on any host.
 */
export interface BuildEnvironment {
  /** Environment variables of the build: proxies, GOPROXY, the Debian mirrors. */
  variables: Record<string, string>;
  /** A PEM file with every authority this host trusts, where it trusts more than usual. */
  certificates: string | undefined;
  /** Words that must not be in any message: proxies may carry passwords. */
  secrets: string[];
}

const proxyNames = [
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
];
const goNames = ["GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE"];

/** Finds out how this host reaches package registries. */
export async function inheritBuildEnvironment(env: NodeJS.ProcessEnv): Promise<BuildEnvironment> {
  const variables: Record<string, string> = {};
  for (const name of [...proxyNames, ...goNames]) if (env[name]) variables[name] = env[name];
  Object.assign(variables, { ...(await goSettings(env)), ...variables });
  const mirrors = await debianMirrors();
  if (mirrors.main) variables.FB_DEBIAN_MIRROR = mirrors.main;
  if (mirrors.security) variables.FB_DEBIAN_SECURITY_MIRROR = mirrors.security;
  const apt = await aptSettings();
  if (apt) variables.FB_APT_SETTINGS = apt;
  const secrets = Object.values(variables).flatMap((value) =>
    [...value.matchAll(/\/\/[^/@\s,]*:([^/@\s,]+)@/g)].map((match) => match[1] ?? ""),
  );
  return { variables, certificates: await certificateFile(env), secrets };
}

async function goSettings(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const file = env.GOENV ?? join(env.XDG_CONFIG_HOME || join(homedir(), ".config"), "go/env");
  let text = await readFile(file, "utf8").catch(() => "");
  try {
    text = `${(await run(["go", "env", "-changed"], { timeoutMs: 20_000 })).stdout.replace(/^set /gm, "")}\n${text}`;
  } catch {
    // No Go on this host, or one too old to know `-changed`: the file says it all.
  }
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^(\w+)='?([^']*)'?$/.exec(line.trim());
    if (match?.[1] && match[2] && goNames.includes(match[1])) found[match[1]] = match[2];
  }
  return found;
}

async function certificateFile(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const file of [env.SSL_CERT_FILE, env.NODE_EXTRA_CA_CERTS, "/etc/ssl/certs/ca-certificates.crt"]) {
    if (!file) continue;
    try {
      await access(file);
      return file;
    } catch {
      // The next one may be there.
    }
  }
  return undefined;
}

// What decides whether a mirror is believed and how it is reached; the rest of a host's apt settings is its own affair.
const aptOptions = ["Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Check-Date"];

async function aptSettings(): Promise<string> {
  try {
    const { stdout } = await run(["apt-config", "dump", ...aptOptions], { timeoutMs: 10_000 });
    return stdout
      .split("\n")
      .filter((line) => /^Acquire::.* "[^"]+";$/.test(line))
      .join("\n");
  } catch {
    return "";
  }
}

/**
 * The mirrors a Debian host takes its own packages from. Elsewhere, and where a mirror can't be told, the builder uses
 * what its own packages name by default.
 */
async function debianMirrors(): Promise<{ main: string | undefined; security: string | undefined }> {
  try {
    const release = await readFile("/etc/os-release", "utf8");
    if (!/^ID=debian$/m.test(release)) return { main: undefined, security: undefined };
    const codename = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1] ?? "stable";
    const indexes = ["apt-get", "indextargets", "--format", "$(URI)", "Created-By: Packages"] as const;
    const { stdout } = await run(indexes, { timeoutMs: 30_000 });
    const mirrorOf = (suite: string) => {
      const uri = stdout.split("\n").find((line) => line.includes(`/dists/${suite}/main/`));
      return uri?.slice(0, uri.indexOf("/dists/"));
    };
    return { main: mirrorOf(codename), security: mirrorOf(`${codename}-security`) };
  } catch {
    return { main: undefined, security: undefined };
  }
}
