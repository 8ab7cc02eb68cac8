import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@xyflow/react/dist/base.css";
import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/canvas.css";
import "./styles/cards.css";
import "./styles/far.css";
import "./styles/sockets.css";
import "./styles/links.css";
import "./styles/frames.css";
import "./styles/minimap.css";
import "./styles/touch.css";
import "./styles/widgets.css";
import "./styles/rows.css";
import "./styles/jobs.css";
import "./styles/panel.css";
import "./styles/search.css";
import "./styles/dialogs.css";
import "./styles/toasts.css";
import "./styles/breadcrumb.css";
import "./styles/templates.css";
import "./styles/library.css";
import "./styles/outline.css";
import "./styles/form.css";
import "./styles/inspector.css";
import "./styles/mask.css";
import "./styles/results.css";
import "./styles/editing.css";
import "./styles/forced.css";
import { App } from "./App";
import { Guard } from "./Guard";
import { BrokenPage } from "./panels/Broken";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Guard instead={(error) => <BrokenPage error={error} />}>
        <App />
      </Guard>
    </StrictMode>,
  );
}
