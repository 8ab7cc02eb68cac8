import { useEffect, useState } from "react";

/** Whether something is being dragged over the page. What is dropped beside the canvas never replaces the page. */
export function useDropGuard(): boolean {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      setDragging(true);
      event.preventDefault();
    };
    const end = (event: DragEvent) => {
      setDragging(false);
      event.preventDefault();
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setDragging(false);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("drop", end);
    document.addEventListener("dragend", end);
    document.addEventListener("dragleave", leave);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("drop", end);
      document.removeEventListener("dragend", end);
      document.removeEventListener("dragleave", leave);
    };
  }, []);
  return dragging;
}
