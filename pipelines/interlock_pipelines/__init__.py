"""The producer's side: makes and signs the evidence that Interlock asks for."""
