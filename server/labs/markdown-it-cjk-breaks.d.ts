declare module "markdown-it-cjk-breaks" {
  import type { PluginSimple } from "markdown-it";

  /** Renders a line break between two wide characters as nothing, where HTML would show a space. */
  const cjkBreaks: PluginSimple;
  export default cjkBreaks;
}
