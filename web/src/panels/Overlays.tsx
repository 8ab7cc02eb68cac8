import { type ComponentType, lazy, Suspense } from "react";
import { useShallow } from "zustand/react/shallow";
import { Guard } from "../Guard";
import { useUi } from "../store/ui";
import { Broken } from "./Broken";
import { Coming } from "./Coming";

type Ui = ReturnType<typeof useUi.getState>;

interface Overlay {
  readonly open: (ui: Ui) => boolean;
  readonly close: Partial<Ui>;
  readonly View: ComponentType;
}

/** What lies over the page for a while. None of it is loaded before it is wanted. */
const OVERLAYS: readonly Overlay[] = [
  { open: (ui) => ui.palette, close: { palette: false }, View: lazy(() => import("./Palette")) },
  { open: (ui) => ui.shortcuts, close: { shortcuts: false }, View: lazy(() => import("./Shortcuts")) },
  { open: (ui) => ui.settings, close: { settings: false }, View: lazy(() => import("./Settings")) },
  { open: (ui) => ui.trace !== undefined, close: { trace: undefined }, View: lazy(() => import("./Trace")) },
  { open: (ui) => ui.lightbox !== undefined, close: { lightbox: undefined }, View: lazy(() => import("./Lightbox")) },
  {
    open: (ui) => ui.compare !== undefined,
    close: { compare: undefined },
    View: lazy(() => import("../compare/Compare")),
  },
  {
    open: (ui) => ui.sheet !== undefined,
    close: { sheet: undefined },
    View: lazy(() => import("../compare/ContactSheet")),
  },
  { open: (ui) => ui.mask !== undefined, close: { mask: undefined }, View: lazy(() => import("../mask/MaskEditor")) },
];

export function Overlays() {
  const open = useUi(useShallow((ui) => OVERLAYS.map((one) => one.open(ui))));
  return OVERLAYS.map(
    ({ View, close }, i) =>
      open[i] && (
        <Guard key={i} instead={(error) => <Broken error={error} onClose={() => useUi.setState(close)} />}>
          <Suspense fallback={<Coming onLeave={() => useUi.setState(close)} />}>
            <View />
          </Suspense>
        </Guard>
      ),
  );
}
