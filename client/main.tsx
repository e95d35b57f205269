import "./no-eval.ts";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { RouterProvider } from "react-router/dom";
import { onSecret, takeSecretsFromAddress } from "./fragment.ts";
import { applyPreferences } from "./preferences.ts";
import { routes } from "./routes.tsx";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/pages.css";
import "./styles/lab-page.css";
import "./styles/tasks.css";
import "./styles/instructions.css";
import "./styles/bring-up.css";
import "./styles/terminals.css";
import "./styles/editor.css";
import "./styles/dock.css";
import "./styles/instructor.css";

takeSecretsFromAddress();
applyPreferences();

const router = createBrowserRouter(routes);
onSecret(() => void router.revalidate());

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <RouterProvider router={router} />
  </StrictMode>,
);
