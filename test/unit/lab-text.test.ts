import { expect, test } from "vitest";
import { renderMarkdown } from "../../server/labs/lab-text.ts";

test("a line that ends between two Chinese characters goes on without a space, one between words with", () => {
  expect(renderMarkdown("虚拟机\n上的服务").replaceAll("\n", " ")).toBe("<p>虚拟机上的服务</p>");
  expect(renderMarkdown("the service\non the VM").replaceAll("\n", " ")).toBe("<p>the service on the VM</p>");
});
