//! Tower layers on the waist.
