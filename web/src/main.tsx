import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@xyflow/react/dist/base.css";
import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/canvas.css";
import "./styles/widgets.css";
import "./styles/jobs.css";
import "./styles/panels.css";
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
