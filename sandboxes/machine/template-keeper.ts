import { type LabError, toLabError } from "../errors.ts";
import {
  ensureTemplate,
  removeTemplates,
  type TemplateDeps,
  type TemplateReport,
  type TemplateSpec,
} from "./machine-template.ts";
import { machineContainer } from "./names.ts";

export interface TemplateKeeperDeps extends TemplateDeps {
  /** Whose templates they are; part of the spec's labels. */
  installation: string;
  report: TemplateReport;
  onTrouble(error: LabError): void;
}

/** Has the template of an installation's VMs made in the background, and old ones removed. */
export class TemplateKeeper implements AsyncDisposable {
  /** Resolves when there is a template, or there will be none: then VMs boot. */
  readonly settled: Promise<void>;
  readonly #deps: TemplateKeeperDeps;
  readonly #stop = new AbortController();
  #volume: string | undefined;

  constructor(deps: TemplateKeeperDeps, spec: TemplateSpec) {
    this.#deps = deps;
    this.settled = this.#make(spec).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) deps.onTrouble(toLabError(error));
    });
  }

  /** For `MachineSpec.template`; `undefined` while there is none. */
  get volume(): string | undefined {
    return this.#volume;
  }

  /** A copy of it has failed: VMs boot until the lab server starts again and looks at it anew. */
  distrust(): void {
    this.#volume = undefined;
  }

  /** Stops a making; the template that is there stays for the next server. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.settled;
  }

  async #make(spec: TemplateSpec): Promise<void> {
    const { engine, installation, report } = this.#deps;
    const { id, volume } = await ensureTemplate(this.#deps, spec, report, this.#stop.signal);
    this.#volume = volume;
    await removeTemplates(engine, installation, machineContainer(id));
  }
}
