import { useEffect } from "react";
import { useUi } from "./store/ui";

/** Keeps the page in the theme that was chosen, or in the system's. */
export function useTheme(): void {
  const theme = useUi((state) => state.theme);
  useEffect(() => {
    const query = window.matchMedia("(prefers-color-scheme: light)");
    const apply = () => {
      document.documentElement.dataset.theme = theme === "system" ? (query.matches ? "light" : "dark") : theme;
    };
    apply();
    query.addEventListener("change", apply);
    return () => query.removeEventListener("change", apply);
  }, [theme]);
}
