import { ReactFlowProvider } from "@xyflow/react";
import { Tooltip } from "radix-ui";
import { lazy, Suspense, useEffect, useState } from "react";
import { Canvas } from "./canvas/Canvas";
import { Guard } from "./Guard";
import { useKeyboard } from "./keyboard";
import { Breadcrumb } from "./panels/Breadcrumb";
import { BrokenStage } from "./panels/Broken";
import { Coming } from "./panels/Coming";
import { EmptyState } from "./panels/EmptyState";
import { Overlays } from "./panels/Overlays";
import { Panels } from "./panels/Panels";
import { Rail } from "./panels/Rail";
import { Status } from "./panels/Status";
import { Toasts } from "./panels/Toasts";
import { TopBar } from "./panels/TopBar";
import { ZoomBar } from "./panels/ZoomBar";
import { activeTab, closeTab, docOf, useDocs } from "./store/docs";
import { hasUnsaved } from "./store/files";
import { followCatalogue } from "./store/followCatalogue";
import { adopt, startEvents } from "./store/jobs";
import { loadCatalogue, useLibrary } from "./store/library";
import { restore, startKeeping } from "./store/persist";
import { followEdits } from "./store/problems";
import { report, useUi } from "./store/ui";
import { useDropGuard } from "./useDropGuard";
import { usePaste } from "./usePaste";
import { usePinch } from "./usePinch";
import { useTheme } from "./useTheme";

const Soon = lazy(() => import("./panels/Soon"));
const FormPage = lazy(() => import("./form/FormPage"));

const PHONE = "(max-width: 700px)";

export function App() {
  const ready = useStart();
  const zen = useUi((state) => state.zen);
  const tab = useDocs((state) => state.active);
  const phone = usePhone();
  const phoneGraph = useUi((state) => state.phoneGraph);
  const hasForm = useDocs((state) => docOf(activeTab(state)).form.length > 0);
  const asForm = phone && hasForm && !phoneGraph;
  useKeyboard();
  usePaste();
  usePinch();
  const dragging = useDropGuard();
  useTheme();
  return (
    <Tooltip.Provider delayDuration={400}>
      <ReactFlowProvider>
        <div
          // A click in the bars leaves the focus on the canvas, so that its keys go on working.
          onMouseDown={keepFocus}
          className={["app", zen && "zen", phone && "phone", dragging && "dragging"].filter(Boolean).join(" ")}
        >
          <TopBar />
          {asForm ? (
            <main className="form-only">
              <Suspense>
                <FormPage />
              </Suspense>
            </main>
          ) : (
            <>
              <Rail />
              <main className="stage">
                {ready && (
                  <Guard of={tab} instead={(error) => <BrokenStage error={error} onClose={() => closeTab(tab)} />}>
                    <Canvas />
                  </Guard>
                )}
                <Breadcrumb />
                <EmptyState ready={ready} />
                <ZoomBar />
              </main>
              <Panels />
            </>
          )}
          <Status />
          <Toasts />
        </div>
        <Suspense fallback={<ComingSoon />}>
          <Soon />
        </Suspense>
        <Overlays />
      </ReactFlowProvider>
    </Tooltip.Provider>
  );
}

/** Soon is loaded when the page stands; until then what it is asked for waits for it. */
function ComingSoon() {
  const asked = useUi(({ search, naming, saveAs }) => Boolean(search || naming || saveAs));
  return asked && <Coming onLeave={leaveSoon} />;
}

const leaveSoon = () => useUi.setState({ search: undefined, naming: undefined, saveAs: undefined });

/** Reads the nodes, opens what was open, listens to the server. Gives whether the nodes are known. */
function useStart(): boolean {
  const ready = useLibrary((state) => state.ready);
  const [restored, setRestored] = useState(false);
  useEffect(() => {
    const unfollow = [followCatalogue(), followEdits()];
    void loadCatalogue();
    const stop = startEvents();
    return () => {
      for (const stopOne of unfollow) stopOne();
      stop();
    };
  }, []);
  useEffect(() => {
    if (!ready) return;
    let stop: (() => void) | undefined;
    let left = false;
    restore()
      .catch(report)
      .finally(() => {
        if (left) return;
        setRestored(true);
        void adopt();
        stop = startKeeping();
      });
    return () => {
      left = true;
      stop?.();
    };
  }, [ready]);
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (hasUnsaved() && !useUi.getState().keeps) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, []);
  return ready && restored;
}

function keepFocus(event: React.MouseEvent): void {
  const target = event.target as Element;
  if (target.closest(".topbar, .rail, .zoombar") && !target.closest("input")) event.preventDefault();
}

function usePhone(): boolean {
  const [phone, setPhone] = useState(() => window.matchMedia(PHONE).matches);
  useEffect(() => {
    const query = window.matchMedia(PHONE);
    const change = () => setPhone(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return phone;
}
