import { useEffect, useRef } from "react";
import { useUi } from "../store/ui";

const WIDTH = 236;
const HEIGHT = 120;

/** What to do with a picture that carries a workflow: asked where it was dropped. */
export function DropMenu() {
  const dropped = useUi((state) => state.dropped);
  const box = useRef<HTMLDivElement>(null);
  const close = () => useUi.setState({ dropped: undefined });
  useEffect(() => {
    if (!dropped) return;
    box.current?.querySelector("button")?.focus();
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, [dropped]);
  if (!dropped) return null;
  const { screen, name, choices } = dropped;
  const step = (event: React.KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [...(box.current?.querySelectorAll("button") ?? [])];
      const at = items.indexOf(document.activeElement as HTMLButtonElement);
      items[(at + 1) % items.length]?.focus();
    } else return;
    event.preventDefault();
  };
  return (
    <div
      ref={box}
      className="menu canvas-menu"
      role="menu"
      tabIndex={-1}
      aria-label={name}
      style={{
        left: Math.max(8, Math.min(screen.x, window.innerWidth - WIDTH)),
        top: Math.max(8, Math.min(screen.y, window.innerHeight - HEIGHT)),
        maxWidth: WIDTH,
      }}
      onKeyDown={step}
    >
      <p className="menu-label" title={name}>
        {name}
      </p>
      {choices.map(({ label, run }) => (
        <button
          type="button"
          role="menuitem"
          key={label}
          onClick={() => {
            close();
            run();
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
