import type { LabError } from "../../sandboxes/errors.ts";

const words = {
  en: {
    lang: "en",
    nothingOpen: "No web service is open here",
    nothingOpenHint: "Open it from the lab page.",
    busy: "Too many requests at once",
    busyHint: "Reload this page in a moment.",
    failed: (where: string) => `${where} did not answer`,
    vm: (port: number) => `Port ${port} of your VM`,
    cluster: (port: number) => `NodePort ${port} of your cluster`,
    vmHint: "Does the service run (systemctl status), and does it listen on that port (ss -tln)?",
    clusterHint:
      "Is there a Service of type NodePort with that port (kubectl get service -A), with Pods behind it?",
    reload: "Then reload this page.",
  },
  zh: {
    lang: "zh-CN",
    nothingOpen: "这里没有打开任何 Web 服务",
    nothingOpenHint: "请从实验页面打开。",
    busy: "同时发出的请求过多",
    busyHint: "请稍后重新加载本页。",
    failed: (where: string) => `${where}没有应答`,
    vm: (port: number) => `虚拟机的端口 ${port} `,
    cluster: (port: number) => `集群的 NodePort ${port} `,
    vmHint: "服务在运行吗（systemctl status）？它在监听这个端口吗（ss -tln）？",
    clusterHint: "有使用该端口的 NodePort 类型 Service 吗（kubectl get service -A）？它后面有 Pod 吗？",
    reload: "然后重新加载本页。",
  },
};

function wordsFor(acceptLanguage: string | undefined) {
  return /^\s*zh\b/i.test(acceptLanguage ?? "") ? words.zh : words.en;
}

/** Said to a browser that has no service open. */
export function nothingOpenPage(acceptLanguage: string | undefined): string {
  const text = wordsFor(acceptLanguage);
  return page(text.lang, text.nothingOpen, [text.nothingOpenHint]);
}

/** Said when as many connections are open as there may be. */
export function busyPage(acceptLanguage: string | undefined): string {
  const text = wordsFor(acceptLanguage);
  return page(text.lang, text.busy, [text.busyHint]);
}

/** Said when the service does not answer. */
export function noAnswerPage(
  service: { world: "vm" | "cluster"; port: number },
  error: LabError,
  acceptLanguage: string | undefined,
): string {
  const text = wordsFor(acceptLanguage);
  const hint = service.world === "vm" ? text.vmHint : text.clusterHint;
  return page(text.lang, text.failed(text[service.world](service.port)), [
    error.toString(),
    `${hint} ${text.reload}`,
  ]);
}

/** No style and no script of ours: this origin is the sandbox's. */
function page(lang: string, title: string, paragraphs: string[]): string {
  const body = paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join("\n");
  return `<!doctype html>
<html lang="${lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>${escapeHtml(title)}</title></head>
<body><h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
