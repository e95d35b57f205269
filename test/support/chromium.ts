import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** WebGL there is, drawn by the processor. */
const SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"];

/**
 * Debian's Chromium, or the browser `FOOTBRIDGE_TEST_CHROMIUM` names, without a window and without the connections it
 * makes for itself.
 */
export async function launchChromium({ hasWebgl = false } = {}): Promise<Browser> {
  const executablePath = process.env.FOOTBRIDGE_TEST_CHROMIUM ?? PATHS.find((path) => existsSync(path));
  if (!executablePath) throw new Error("no Chromium on this host; `npm test` installs Debian's");
  return await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      ...(hasWebgl ? SOFTWARE_WEBGL : ["--disable-gpu"]),
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
