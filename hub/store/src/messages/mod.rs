//! Messages and deliveries.
